"""Staff pause and resume dunning on the tenant's page, with a reason."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Tenant
from billing.dunning.models import DunningPause
from tests.billing.admin.desk import said
from tests.billing.dunning.unpaid import overdue

pytestmark = pytest.mark.django_db


def test_dunning_is_paused_with_a_reason_and_resumed(as_bo: Client, as_kim: Client) -> None:
    invoice = overdue()
    tenant = Tenant.objects.get()
    page = reverse("admin:accounts_tenant_change", args=[tenant.pk])
    pause = reverse("admin:accounts_tenant_pause_dunning", args=[tenant.pk])
    resume = reverse("admin:accounts_tenant_resume_dunning", args=[tenant.pk])
    assert as_kim.get(pause).status_code == 403
    text = as_bo.get(page).content.decode()
    assert pause in text
    assert resume not in text
    assert str(invoice.number) in text

    assert "Pause dunning of Acme?" in as_bo.get(pause).content.decode()
    assert "This field is required" in as_bo.post(pause, {"reason": ""}).content.decode()
    assert "is paused" in said(as_bo.post(pause, {"reason": "Promised by phone."}))
    assert "is paused already" in said(as_bo.post(pause, {"reason": "Again."}))
    assert "Promised by phone." in as_bo.get(page).content.decode()
    assert "Paused" in as_bo.get(reverse("admin:dunning_dunningcase_changelist")).content.decode()

    assert "later by the length" in as_bo.get(resume).content.decode()
    assert "continues" in said(as_bo.post(resume, {"confirmed": "on"}))
    row = DunningPause.objects.get()
    assert (row.paused_by, row.ended_by) == ("bo@example.org", "bo@example.org")
