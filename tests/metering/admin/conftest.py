"""Robin of the staff, who may do everything in the admin."""

import pytest
from django.test import Client

from accounts.models import User


@pytest.fixture
def as_robin(db: None) -> Client:
    client = Client()
    robin = User.objects.create_superuser("robin@example.org", None, name="Robin")
    client.force_login(robin, backend="django.contrib.auth.backends.ModelBackend")
    return client
