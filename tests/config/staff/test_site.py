"""The admin: who sees what, its cost, and that no page shows a secret or changes machine-written rows."""

import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from accounts.domain.actor import Actor
from accounts.keys.services.api_keys import CreatedKey
from accounts.models import ApiKey, AuditEntry, JobOutcome, JobRun, Tenant, User
from accounts.services.tenants import open_tenant
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent
from metering.domain.ledger import Ledger
from metering.models import IngestVerdict, UsagePlan, UsagePlanAssignment
from metering.services.ingest import ingest_events
from tests.config.staff.conftest import MADE_AT
from tests.config.staff.entries import latest_entry

pytestmark = pytest.mark.django_db


def ingest(tenant: Tenant, number: int) -> None:
    now = timezone.now()
    rules = IngestRules(now - timedelta(days=1), now, frozenset({"http_request"}))
    events = [parse_event({"id": f"e{n}", "type": "http_request"}, n, now, rules) for n in range(number)]
    assert all(isinstance(event, ParsedEvent) for event in events)
    ledger = Ledger(tenant.pk, True, tenant.time_zone, tenant.backfill_days)
    ingest_events(
        ledger=ledger, events=[event for event in events if isinstance(event, ParsedEvent)], api_key_id=None, as_of=now
    )


def page_of(tenant: Tenant, *action: str) -> str:
    change = reverse("admin:accounts_tenant_change", args=[tenant.pk])
    return change.replace("change/", f"{action[0]}/") if action else change


LISTS = sorted(
    f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry if model is not Group
)


@pytest.mark.parametrize("model", LISTS)
def test_every_list_opens_and_carries_the_relaxed_policy(model: str, as_robin: Client, acme_key: CreatedKey) -> None:
    response = as_robin.get(reverse(f"admin:{model}_changelist"))
    assert response.status_code == 200
    assert "'unsafe-eval'" in response.headers["Content-Security-Policy"]


def test_the_content_policy_is_strict_outside_of_the_admin(client: Client) -> None:
    policy = client.get("/accounts/login/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy


def test_customers_cannot_open_the_admin(as_alice: Client, acme: Tenant) -> None:
    for url in (reverse("admin:index"), page_of(acme), page_of(acme, "suspend")):
        assert as_alice.get(url).status_code == 302


# What the admin shows


def test_the_dashboard_shows_events_usage_quotas_and_concerns(
    as_robin: Client, acme: Tenant, small_plan: UsagePlan
) -> None:
    ingest(acme, 12)
    now = timezone.now()
    JobRun.objects.create(
        name="reconciliation", started_at=now, finished_at=now, outcome=JobOutcome.ATTENTION, summary={"drifts": 3}
    )
    IngestVerdict.objects.create(
        tenant_id=acme.pk, is_live=True, received_at=now, verdict="rejected", code="invalid_id", detail="An id."
    )
    response = as_robin.get(reverse("admin:index"))
    assert response.context["events_today"] == 12
    assert sum(json.loads(response.context["chart"])["datasets"][0]["data"]) == 12
    (fullest,) = response.context["fullest"]
    assert (fullest.tenant, fullest.use.percent) == (acme, Decimal("120.0"))
    titles = {concern.title for concern in response.context["concerns"]}
    assert "Reconcile usage with the ledger: needs attention" in titles
    assert "Refused events" in titles
    assert "No worker is running" in titles


def test_the_dashboard_takes_as_many_queries_whatever_the_number_of_tenants(
    as_robin: Client, acme: Tenant, alice: User, small_plan: UsagePlan
) -> None:
    as_robin.get(reverse("admin:index"))
    with CaptureQueriesContext(
        connection,
    ) as few:
        as_robin.get(reverse("admin:index"))
    add_tenants(alice, small_plan, 5)
    with CaptureQueriesContext(connection) as many:
        as_robin.get(reverse("admin:index"))
    assert len(many) == len(few)


def add_tenants(owner: User, plan: UsagePlan, number: int) -> None:
    for n in range(number):
        tenant = open_tenant(name=f"Tenant {n}", owner=owner, actor=Actor.system(), as_of=MADE_AT)
        UsagePlanAssignment.objects.create(tenant=tenant, usage_plan=plan, assigned_at=MADE_AT)


def test_the_list_of_tenants_reads_usage_once(
    as_robin: Client, acme: Tenant, alice: User, small_plan: UsagePlan
) -> None:
    ingest(acme, 9)
    url = reverse("admin:accounts_tenant_changelist")
    response = as_robin.get(url)
    assert "90.0 %" in response.text
    with CaptureQueriesContext(connection) as few:
        as_robin.get(url)
    add_tenants(alice, small_plan, 6)
    with CaptureQueriesContext(connection) as many:
        as_robin.get(url)
    assert len(many) == len(few)
    assert sum("usage_day" in query["sql"] for query in many) <= 1


def test_a_tenant_is_found_by_a_members_address(as_robin: Client, acme: Tenant) -> None:
    response = as_robin.get(reverse("admin:accounts_tenant_changelist"), {"q": "alice@acme"})
    assert [tenant.slug for tenant in response.context["cl"].result_list] == ["acme"]


def test_no_page_shows_a_digest_a_hash_or_a_session(
    as_robin: Client, robin: User, acme: Tenant, acme_key: CreatedKey
) -> None:
    robin.set_password("correct horse battery staple")
    robin.save()
    as_robin.force_login(robin, backend="django.contrib.auth.backends.ModelBackend")
    pages = [
        page_of(acme),
        reverse("admin:accounts_apikey_change", args=[acme_key.key.pk]),
        reverse("admin:accounts_user_change", args=[robin.pk]),
    ]
    digest = bytes(ApiKey.objects.get(pk=acme_key.key.pk).digest)
    for url in pages:
        text = as_robin.get(url).text
        for secret in (digest.hex(), str(digest), acme_key.secret, robin.password, robin.password.split("$")[-1][:6]):
            assert secret not in text
    registered = {model._meta.label for model in admin.site._registry}
    hidden = {"djstripe.APIKey", "djstripe.WebhookEndpoint", "sessions.Session", "accounts.IdempotencyRecord"}
    assert not registered & hidden


MACHINE_WRITTEN = [
    "accounts_auditentry", "accounts_jobrun", "accounts_invitation", "metering_ingestverdict", "metering_reservation",
    "django_q_success", "django_q_ormq", "django_q_schedule", "mfa_authenticator", "usersessions_usersession",
    "djstripe_customer", "djstripe_invoice",
]  # fmt: skip


@pytest.mark.parametrize("model", MACHINE_WRITTEN)
def test_no_one_changes_machine_written_rows(model: str, robin: User) -> None:
    page = next(
        page
        for known, page in admin.site._registry.items()
        if f"{known._meta.app_label}_{known._meta.model_name}" == model
    )
    request = type("Request", (), {"user": robin})()
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)


def test_long_tables_are_never_counted(as_robin: Client, acme: Tenant) -> None:
    for model in ("accounts_auditentry", "metering_ingestverdict", "metering_reservation", "accounts_jobrun"):
        with CaptureQueriesContext(connection) as queries:
            as_robin.get(reverse(f"admin:{model}_changelist"))
        assert not [query for query in queries if re.search(r"COUNT\(\*\)", query["sql"])]


def test_the_events_of_a_tenant_are_paged_by_time(as_robin: Client, acme: Tenant) -> None:
    ingest(acme, 60)
    first = as_robin.get(page_of(acme, "events"))
    assert len(first.context["page"].rows) == 50
    second = as_robin.get(page_of(acme, "events"), {"cursor": first.context["older"]})
    assert len(second.context["page"].rows) == 10
    assert as_robin.get(page_of(acme, "events"), {"cursor": "nonsense"}).status_code == 302
    assert as_robin.get(page_of(acme, "events"), {"half": "test"}).context["page"].rows == ()
    assert as_robin.get(page_of(acme, "events"), {"before": "no time"}).status_code == 200


# Who may do what


def test_readers_see_everything_and_change_nothing(as_pat: Client, acme: Tenant, acme_key: CreatedKey) -> None:
    assert as_pat.get(page_of(acme)).status_code == 200
    assert as_pat.get(reverse("admin:metering_usageplan_changelist")).status_code == 200
    for action in ("suspend", "close", "revoke_keys", "assign_plan", "reconcile", "view_as_customer"):
        assert as_pat.post(page_of(acme, action), {"reason": "x"}).status_code == 403
    assert as_pat.post(page_of(acme), {"name": "Hacked"}).status_code == 403
    assert as_pat.post(reverse("admin:accounts_apikey_add"), {"name": "x"}).status_code == 403
    acme.refresh_from_db()
    assert acme.is_active
    assert acme.name == "Acme"


def test_support_may_not_make_itself_a_superuser(as_kim: Client, kim: User) -> None:
    response = as_kim.post(
        reverse("admin:accounts_user_change", args=[kim.pk]), {"email": kim.email, "is_superuser": "on"}
    )
    assert response.status_code == 403
    kim.refresh_from_db()
    assert not kim.is_superuser


@pytest.mark.parametrize(
    "action",
    [
        "change",
        "suspend",
        "reactivate",
        "close",
        "revoke_keys",
        "assign_plan",
        "reconcile",
        "view_as_customer",
        "events",
    ],
)
@pytest.mark.parametrize("object_id", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_object_id_is_not_found(action: str, object_id: str, as_robin: Client) -> None:
    assert as_robin.get(f"/admin/accounts/tenant/{object_id}/{action}/").status_code in {302, 404}


# What the admin does


def test_suspending_a_tenant_needs_a_reason(as_kim: Client, acme: Tenant) -> None:
    assert "Suspend Acme?" in as_kim.get(page_of(acme, "suspend")).text
    as_kim.post(page_of(acme, "suspend"), {"reason": ""})
    acme.refresh_from_db()
    assert acme.is_active
    as_kim.post(page_of(acme, "suspend"), {"reason": "Unpaid."})
    acme.refresh_from_db()
    assert (acme.status, acme.status_reason) == ("suspended", "Unpaid.")
    entry = latest_entry()
    assert (entry.action, entry.actor_kind, entry.actor_label, entry.tenant) == (
        "tenant.suspended",
        "staff",
        "kim@example.org",
        acme,
    )
    as_kim.post(page_of(acme, "reactivate"))
    acme.refresh_from_db()
    assert acme.is_active
    assert latest_entry().action == "tenant.reactivated"


def test_closing_a_tenant_needs_a_reason_and_is_final(as_kim: Client, as_robin: Client, acme: Tenant) -> None:
    assert as_kim.get(page_of(acme, "close")).status_code == 403
    assert as_kim.post(page_of(acme, "close"), {"reason": "Gave notice."}).status_code == 403
    assert "Close Acme for good?" in as_robin.get(page_of(acme, "close")).text
    as_robin.post(page_of(acme, "close"), {"reason": ""})
    acme.refresh_from_db()
    assert acme.is_active
    as_robin.post(page_of(acme, "close"), {"reason": "Gave notice."})
    acme.refresh_from_db()
    assert (acme.status, acme.status_reason) == ("closed", "Gave notice.")
    assert latest_entry().action == "tenant.closed"
    for action in ("suspend", "reactivate", "close"):
        assert as_robin.post(page_of(acme, action), {"reason": "again"}).status_code == 403


def test_an_impossible_status_is_refused(as_robin: Client, acme: Tenant) -> None:
    assert as_robin.post(page_of(acme, "reactivate")).status_code == 403


def test_revoking_all_keys_needs_a_confirmation_and_reports_their_number(
    as_kim: Client, acme: Tenant, acme_key: CreatedKey
) -> None:
    assert "Revoke all keys of Acme?" in as_kim.get(page_of(acme, "revoke_keys")).text
    response = as_kim.post(page_of(acme, "revoke_keys"), follow=True)
    assert "Revoked 1 key of Acme." in response.text
    assert not ApiKey.objects.usable_at(timezone.now()).exists()


def test_one_key_is_revoked_from_its_page(as_kim: Client, acme_key: CreatedKey) -> None:
    url = reverse("admin:accounts_apikey_change", args=[acme_key.key.pk]).replace("/change/", "/revoke/")
    assert "cannot be undone" in as_kim.get(url).text
    assert ApiKey.objects.usable_at(timezone.now()).exists()
    as_kim.post(url)
    assert not ApiKey.objects.usable_at(timezone.now()).exists()


def test_a_service_key_is_shown_once(as_robin: Client) -> None:
    response = as_robin.post(reverse("admin:accounts_apikey_add"), {"name": "Gateway", "is_operator": "on"})
    key = ApiKey.objects.get(name="Gateway")
    secret = re.search(r"ch_svc_\w+", response.text)
    assert secret is not None
    assert secret[0].startswith(key.prefix)
    assert "no-store" in response.headers["Cache-Control"]
    assert "operator" in key.scopes
    assert secret[0] not in as_robin.get(reverse("admin:accounts_apikey_change", args=[key.pk])).text


def test_a_service_key_that_expires_in_the_past_is_refused_with_a_message(as_robin: Client) -> None:
    response = as_robin.post(reverse("admin:accounts_apikey_add"), {"name": "Gateway", "expires_on": "2020-01-01"})
    assert "The expiry must be in the future." in response.text
    assert not ApiKey.objects.exists()


def test_a_usage_plan_is_assigned_and_removed(as_robin: Client, acme: Tenant, small_plan: UsagePlan) -> None:
    as_robin.post(page_of(acme, "assign_plan"), {"usage_plan": ""})
    assert not UsagePlanAssignment.objects.filter(tenant=acme).exists()
    as_robin.post(page_of(acme, "assign_plan"), {"usage_plan": small_plan.pk})
    assert UsagePlanAssignment.objects.get(tenant=acme).usage_plan == small_plan
    assert latest_entry().action == "tenant.usage_plan_assigned"


def test_reconciling_a_tenant_is_queued(as_robin: Client, acme: Tenant) -> None:
    as_robin.post(page_of(acme, "reconcile"))
    (waiting,) = OrmQ.objects.all()
    assert waiting.task["args"] == ("robin@example.org", ["acme"])


def tenant_form(acme: Tenant, **changes: str) -> dict[str, str]:
    form = {"name": acme.name, "time_zone": acme.time_zone, "currency": acme.currency, "backfill_days": "35"}
    tabs = (
        "api_keys",
        "memberships",
        "invitations",
        "audit_entries",
        "subscriptions",
        "invoices",
        "threshold_alerts",
        "billing_profile",
        "tax_id_checks",
    )
    for inline in tabs:
        form |= {f"{inline}-TOTAL_FORMS": "0", f"{inline}-INITIAL_FORMS": "0"}
    return form | changes


def test_changing_a_tenant_goes_through_the_service(as_robin: Client, acme: Tenant) -> None:
    response = as_robin.post(page_of(acme), tenant_form(acme, currency="JPY", name="Acme Japan"))
    assert response.status_code == 302
    acme.refresh_from_db()
    assert (acme.currency, acme.name) == ("JPY", "Acme Japan")
    entry = latest_entry()
    assert (entry.action, entry.before["currency"], entry.after["currency"]) == ("tenant.updated", "EUR", "JPY")
    assert AuditEntry.objects.filter(action__in=["tenant.updated", "tenant.changed"]).count() == 1


def test_a_setting_that_the_portal_refuses_is_refused_here_too(as_robin: Client, acme: Tenant) -> None:
    response = as_robin.post(page_of(acme), tenant_form(acme, time_zone="Mars/Olympus"))
    assert response.status_code == 200
    assert "time_zone" in response.context["adminform"].form.errors


# Viewing as a customer


def view_as(client: Client, tenant: Tenant, user: User, reason: str = "Ticket 4711") -> int:
    data = {"user_pk": user.pk, "tenant": str(tenant.pk), "reason": reason}
    return client.post(reverse("hijack:acquire"), data).status_code


def test_support_views_as_a_member_and_the_log_records_it(as_kim: Client, acme: Tenant, alice: User) -> None:
    assert "Alice, owner" in as_kim.get(page_of(acme, "view_as_customer")).text
    assert view_as(as_kim, acme, alice) == 302
    assert as_kim.session["_auth_user_id"] == str(as_kim.get("/t/acme/").context["viewing"].viewing.staff_id)
    entry = latest_entry()
    assert (entry.action, entry.actor_label, entry.target_label) == (
        "tenant.viewed_as_customer", "kim@example.org", "alice@acme.example",
    )  # fmt: skip
    assert entry.after["reason"] == "Ticket 4711"
    assert as_kim.get(reverse("admin:index")).status_code == 403
    as_kim.post(reverse("hijack:release"))
    assert as_kim.get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize("reason", ["", "   "])
def test_viewing_without_a_reason_is_refused(reason: str, as_kim: Client, acme: Tenant, alice: User) -> None:
    assert view_as(as_kim, acme, alice, reason) == 400
    assert not AuditEntry.objects.filter(action="tenant.viewed_as_customer").exists()


def test_no_member_of_staff_views_as_a_colleague(as_robin: Client, acme: Tenant, kim: User) -> None:
    assert view_as(as_robin, acme, kim) == 400


def test_readers_do_not_view_as_a_customer(as_pat: Client, acme: Tenant, alice: User) -> None:
    assert view_as(as_pat, acme, alice) == 403


def test_viewing_as_a_stranger_to_the_tenant_is_refused(as_kim: Client, acme: Tenant) -> None:
    bob = User.objects.create_user("bob@other.example", None)
    assert view_as(as_kim, acme, bob) == 400
