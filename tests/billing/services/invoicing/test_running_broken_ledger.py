"""A ledger that is not what was signed holds the tenant's billing until staff look at it, and no other tenant's."""

from datetime import timedelta

import pytest
from django.db import connection

from accounts.models import Discrepancy
from billing.models import Invoice
from billing.services.invoicing.running import run_invoicing
from metering.proofs.services.day_signing import sign_days
from metering.proofs.services.jobs import run_ledger_proof
from tests.billing.world import GRACE, MARCH, first_invoice, make_plan, subscribe_tenant, use

pytestmark = [pytest.mark.django_db, pytest.mark.as_owner]
APRIL = MARCH + timedelta(days=31)
NIGHT = APRIL - timedelta(hours=20)


def set_subject(subject: str) -> None:
    """Change an event of Acme as the owner of the tables who turns triggers off. No sum differs by it."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "UPDATE event SET subject = %s WHERE tenant_id = (SELECT id FROM accounts_tenant WHERE slug = 'acme')",
            [subject or None],
        )
        cursor.execute("SET session_replication_role = DEFAULT")


def closed_march() -> set[str]:
    return set(Invoice.objects.filter(boundary=1).exclude(number=None).values_list("tenant__slug", flat=True))


def test_a_break_holds_the_billing_of_its_tenant_until_it_is_gone() -> None:
    plan = make_plan()
    for slug in ("acme", "globex"):
        subscription = subscribe_tenant(slug, plan=plan)
        first_invoice(subscription)
        use(subscription.tenant, 3, at=MARCH + timedelta(days=2))
    sign_days(as_of=NIGHT)
    set_subject("mallory")
    assert len(run_ledger_proof(started_by="test", as_of=NIGHT).breaks) == 1

    run_invoicing(as_of=APRIL + GRACE)

    assert closed_march() == {"globex"}
    set_subject("")
    assert run_ledger_proof(started_by="test", as_of=APRIL + GRACE).breaks == ()
    assert not Discrepancy.objects.open().exists()
    run_invoicing(as_of=APRIL + GRACE)
    assert closed_march() == {"acme", "globex"}


def test_control_without_a_proof_the_changed_ledger_is_billed() -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    use(subscription.tenant, 3, at=MARCH + timedelta(days=2))
    sign_days(as_of=NIGHT)
    set_subject("mallory")
    run_invoicing(as_of=APRIL + GRACE)
    assert closed_march() == {"acme"}
