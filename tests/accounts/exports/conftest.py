"""An export of Acme that no worker has begun, with the parts of the accounts app alone."""

from datetime import datetime

import pytest
from django.conf import LazySettings

from accounts.exports.models import TenantExport
from accounts.exports.services.requesting import request_export
from accounts.models import Tenant, User
from tests.accounts.conftest import member


@pytest.fixture
def export(acme: Tenant, alice: User, now: datetime, settings: LazySettings) -> TenantExport:
    settings.PRIVACY_PARTS = ["accounts.services.privacy.AccountsPrivacy"]
    return request_export(tenant=acme, actor=member(alice), as_of=now)
