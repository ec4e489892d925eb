"""A tenant's settings, their entries in the audit log, and the page about signing in."""

import ast
from collections.abc import Callable

from django.test import Client
from django_q.models import Schedule

from accounts.models import AuditEntry
from billing.models import BillingProfile
from metering.domain.periods import local_day
from metering.services.tenants import REBUILD_TASK
from metering.tasks import rebuild_usage_of
from tests.metering.ledger_world import ledger_of, send
from tests.portal.conftest import NOW, Cast

SETTINGS = {"name": "Acme", "time_zone": "Europe/Paris", "currency": "EUR"}


def test_settings_are_saved_and_logged_with_before_and_after(cast: Cast, alice: Client) -> None:
    given = SETTINGS | {"name": "Acme Ltd", "country": "FR", "tax_id": "FR 40 303 265 045", "city": "Paris"}

    answer = alice.post("/t/acme/settings/", given, follow=True)

    cast.acme.refresh_from_db()
    assert b"Settings saved." in answer.content
    assert (cast.acme.name, cast.acme.tax_id, cast.acme.city) == ("Acme Ltd", "FR40303265045", "Paris")
    log = alice.get("/t/acme/audit/").content.decode()
    assert "Tenant updated" in log
    assert "<del" in log
    assert "Acme Ltd" in log


def test_a_refused_setting_is_explained_and_the_rest_is_kept_on_the_form(cast: Cast, alice: Client) -> None:
    answer = alice.post("/t/acme/settings/", SETTINGS | {"country": "FR", "tax_id": "nonsense", "city": "Paris"})

    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"tax_id"}
    assert answer.context["form"]["city"].value() == "Paris"
    cast.acme.refresh_from_db()
    assert cast.acme.city == "Springfield"


def test_a_new_time_zone_recomputes_the_days(cast: Cast, alice: Client) -> None:
    late = {
        "id": "late",
        "type": "http_request",
        "timestamp": "2026-03-09T23:30:00Z",
    }  # the 10th in Paris, the 9th in New York
    send(ledger_of(cast.acme), [late], as_of=NOW)

    def days() -> dict[str, str]:
        cast.acme.refresh_from_db()
        table = alice.get("/t/acme/").context["table"]
        return {str(local_day(row.start, cast.acme.time_zone)): str(row.total) for row in table.rows if row.total}

    assert days() == {"2026-03-10": "1"}
    alice.post("/t/acme/settings/", SETTINGS | {"time_zone": "America/New_York"})
    for page in ("settings", "usage"):
        assert b"Daily usage is being rebuilt for America/New_York" in alice.get(f"/t/acme/{page}/").content
    run_what_is_queued()
    assert days() == {"2026-03-09": "1"}
    assert b"is being rebuilt" not in alice.get("/t/acme/settings/").content


def run_what_is_queued() -> None:
    """Run what the worker runs some seconds later."""
    queued = Schedule.objects.get(func=REBUILD_TASK)
    rebuild_usage_of(*ast.literal_eval(queued.args))
    queued.delete()


def test_a_stored_value_that_is_no_longer_offered_stays_choosable(cast: Cast, alice: Client) -> None:
    type(cast.acme).objects.filter(pk=cast.acme.pk).update(time_zone="Etc/GMT+5")

    assert b'<option value="Etc/GMT+5" selected>' in alice.get("/t/acme/settings/").content


def test_the_audit_log_is_filtered_and_paged_in_a_fixed_number_of_queries(
    cast: Cast, alice: Client, query_count: Callable[[Client, str], int]
) -> None:
    def add(count: int, **fields: object) -> None:
        facts = {
            "tenant": cast.acme,
            "actor_kind": "member",
            "actor_label": "alice@example.com",
            "actor_user": cast.alice,
        }
        facts |= {"action": "api_key.created", "target_kind": "api_key", "target_id": "1", "occurred_at": NOW, **fields}
        AuditEntry.objects.bulk_create(AuditEntry(**facts) for _ in range(count))

    add(1)
    for_one = query_count(alice, "/t/acme/audit/")
    add(60)
    add(1, action="member.joined", actor_label="erin@example.com", occurred_at=NOW.replace(month=1))
    add(1, tenant=cast.rival, actor_label="charlie@example.com")

    assert query_count(alice, "/t/acme/audit/") == for_one
    assert len(alice.get("/t/acme/audit/").context["rows"]) == 50
    assert len(alice.get("/t/acme/audit/?page=2").context["rows"]) == 12
    assert len(alice.get("/t/acme/audit/?action=member.joined").context["rows"]) == 1
    assert len(alice.get("/t/acme/audit/?search=erin").context["rows"]) == 1
    assert len(alice.get("/t/acme/audit/?start=2026-01-01&end=2026-01-31").context["rows"]) == 1
    assert len(alice.get("/t/acme/audit/?start=0001-01-01&end=9999-12-31").context["rows"]) == 50
    assert b"No matching entries" in alice.get("/t/acme/audit/?search=charlie").content
    assert len(alice.get("/t/acme/audit/?start=nonsense").context["rows"]) == 50


def test_the_security_page_shows_what_is_switched_on(cast: Cast, alice: Client) -> None:
    page = alice.get("/t/acme/security/").content.decode()

    assert "/accounts/2fa/totp/activate/" in page
    assert "/accounts/sessions/" in page


def test_what_documents_say_is_saved_with_the_rest_and_logged(cast: Cast, alice: Client) -> None:
    alice.post("/t/acme/settings/", SETTINGS | {"purchase_order": "PO 4711", "language": "fr"})

    profile = BillingProfile.objects.get(tenant=cast.acme)
    assert (profile.purchase_order, profile.language) == ("PO 4711", "fr")
    assert AuditEntry.objects.filter(action="tenant.billing_updated").get().actor_label == "alice@example.com"
    answer = alice.post("/t/acme/settings/", SETTINGS | {"purchase_order": "a\u202eb", "city": "Lyon"})
    assert answer.context["form"].errors.keys() == {"purchase_order"}
    cast.acme.refresh_from_db()
    assert cast.acme.city != "Lyon", "nothing is saved by half"
