"""Endpoints that the sender disables."""

from datetime import datetime

import pytest

from accounts.models import Tenant
from accounts.notices.models import OutboundMail
from accounts.webhooks.domain.statuses import DisabledBecause
from accounts.webhooks.services.disabling import disable_and_tell
from tests.accounts.webhooks.world import make_endpoint

pytestmark = pytest.mark.django_db


def test_an_endpoint_is_disabled_once_and_its_tenant_is_told_once(acme: Tenant, globex: Tenant, now: datetime) -> None:
    endpoint = make_endpoint(acme, now).endpoint
    make_endpoint(globex, now)
    for expected in (1, 0):
        number = disable_and_tell(endpoint_ids=[endpoint.pk], because=DisabledBecause.FAILING, as_of=now)
        assert number == expected
    mail = OutboundMail.objects.filter(kind="webhook_disabled").earliest("pk")
    assert mail.tenant == acme
    assert "Every attempt of the last five days failed." in mail.text
    assert f"/t/{acme.slug}/webhooks/{endpoint.pk}/" in mail.text
