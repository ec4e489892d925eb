"""Which people are mailed about a crossed threshold, in one transaction, and what a pass costs."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.models import AuditEntry, JobRun, Tenant
from accounts.notices.models import MailPreference, OutboundMail, OutboxEvent
from billing.services.subscriptions.changes import When, cancel_subscription
from metering.alerts.domain.alerts import USAGE_ALERT, ThresholdReached
from metering.alerts.models import ThresholdAlert
from metering.alerts.services.monitoring import (
    ALERTS_JOB,
    ALERTS_OF_SOME_JOB,
    monitor_thresholds,
    run_monitor,
)
from metering.domain.periods import Period
from metering.domain.usage_plan_terms import UsagePlanTerms
from metering.services.usage_plans import update_usage_plan
from tests.billing.world import first_invoice, make_plan, subscribe_tenant
from tests.billing.world import use as use_calls
from tests.metering.alerts.alert_world import (
    NOON,
    OPERATOR,
    crossed,
    customer,
    join,
    new_at,
    quota,
    use,
)

pytestmark = pytest.mark.django_db
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LONDON_SPRING = datetime(2026, 3, 29, tzinfo=UTC)  # clocks go forward at 01:00 UTC


# Who is mailed


def test_a_tenant_that_wants_no_mails_still_has_its_alerts() -> None:
    acme = customer("acme", quota(100))
    MailPreference.objects.create(tenant=acme, kind=USAGE_ALERT.name, is_wanted=False)
    use(acme, 100, at=NOON)
    monitor_thresholds(as_of=NOON)
    assert not OutboundMail.objects.exists()
    assert crossed(acme) == [80, 95, 100]
    assert OutboxEvent.objects.count() == 3


def test_a_member_who_wants_no_mails_gets_none_and_the_others_do() -> None:
    acme = customer("acme", quota(100))
    quiet = join(acme, "quiet@acme.example", Role.ADMIN)
    MailPreference.objects.create(tenant=acme, membership=quiet, kind=USAGE_ALERT.name, is_wanted=False)
    eager = join(acme, "eager@acme.example", Role.VIEWER)
    MailPreference.objects.create(tenant=acme, membership=eager, kind=USAGE_ALERT.name, is_wanted=True)
    join(acme, "viewer@acme.example", Role.VIEWER)
    use(acme, 80, at=NOON)
    monitor_thresholds(as_of=NOON)
    mailed = [mail.recipients for mail in OutboundMail.objects.order_by("pk")]
    assert mailed == [["owner@acme.example"], ["eager@acme.example"]]


@pytest.mark.parametrize(
    ("is_hard", "quantity", "sentence"),
    [
        (True, 80, "Requests beyond the quota will be refused until 1 April 2026 (Asia/Tokyo)."),
        (True, 100, "Requests beyond the quota are refused until 1 April 2026 (Asia/Tokyo)."),
        (False, 100, "No requests are refused. Usage beyond the quota is billed as your plan says."),
    ],
)
def test_the_alert_mail_says_what_happens_next_and_links_to_the_page(
    *, is_hard: bool, quantity: int, sentence: str
) -> None:
    acme = customer("acme", quota(100, is_hard=is_hard), time_zone="Asia/Tokyo")
    use(acme, quantity, at=NOON)
    monitor_thresholds(as_of=NOON)
    mail = OutboundMail.objects.get()
    assert mail.kind == USAGE_ALERT.name
    for form in (mail.text, mail.html):
        assert sentence in form
        assert "/t/acme/alerts/" in form


def test_a_tenants_name_cannot_add_lines_to_the_mail() -> None:
    acme = customer("acme", quota(100))
    Tenant.objects.filter(pk=acme.pk).update(name="<b>A&B</b>\nBcc: all")
    use(acme, 80, at=NOON)
    monitor_thresholds(as_of=NOON)
    mail = OutboundMail.objects.get()
    assert mail.subject.startswith("<b>A&B</b> Bcc: all: 80 %")
    assert "<b>A&B</b>" in mail.text
    assert "&lt;b&gt;A&amp;B&lt;/b&gt;" in mail.html
    assert "<b>" not in mail.html


# The transaction, and its cost


@pytest.mark.as_owner
def test_an_alert_whose_mail_fails_is_not_raised() -> None:
    # A failure after the statement takes the alert back, so that the next pass finds it.
    acme = customer("acme", quota(100))
    use(acme, 80, at=NOON)
    with connection.cursor() as cursor:
        cursor.execute(f"REVOKE INSERT ON notices_outboundmail FROM {settings.DATABASE_ROLE}")
        cursor.execute(f"SET ROLE {settings.DATABASE_ROLE}")
        with pytest.raises(ProgrammingError, match="notices_outboundmail"), transaction.atomic():
            monitor_thresholds(as_of=NOON)
        cursor.execute("RESET ROLE")
    assert not ThresholdAlert.objects.exists()
    assert not OutboxEvent.objects.exists()
    assert new_at(NOON) == [("acme", 80)]


def test_the_number_of_queries_is_the_same_whatever_the_number_of_tenants() -> None:
    def queries(number: int) -> int:
        for position in range(number):
            use(customer(f"t{number}-{position}", quota(100)), 100, at=NOON)
        with CaptureQueriesContext(connection) as captured:
            assert len(monitor_thresholds(as_of=NOON).alerts) == 3 * number
        return len(captured)

    # Agreements, tenants, members, preferences, known mails, mails, and two for the savepoint. What the pass itself
    # reads and writes, and the outbox, go past Django's cursors.
    assert queries(1) == queries(12) == 8


def test_the_same_alert_cannot_be_stored_twice() -> None:
    acme = customer("acme", quota(100))
    use(acme, 80, at=NOON)
    monitor_thresholds(as_of=NOON)
    twin = ThresholdAlert.objects.get()
    twin.pk = None
    with pytest.raises(IntegrityError, match="threshold_alert_once"), transaction.atomic():
        twin.save(force_insert=True)
    twin.threshold = 0
    with pytest.raises(IntegrityError, match="threshold_alert_known"), transaction.atomic():
        twin.save(force_insert=True)


# As a job


def test_a_run_of_the_check_is_recorded_with_what_it_found() -> None:
    acme, rival = customer("acme", quota(100)), customer("rival", quota(100))
    use(acme, 80, at=NOON)
    run_monitor(started_by="schedule", as_of=NOON)
    run = JobRun.objects.get(name=ALERTS_JOB)
    assert (run.summary, run.outcome, run.started_by) == ({"tenants": 2, "alerts": 1}, "succeeded", "schedule")
    assert not AuditEntry.objects.filter(action="alerts.checked").exists()

    run_monitor(started_by="robin", as_of=NOON, tenant_ids=[rival.pk], actor=Actor.system("robin"))
    some = JobRun.objects.get(name=ALERTS_OF_SOME_JOB)
    entry = AuditEntry.objects.get(action="alerts.checked")
    assert (some.summary, entry.actor_label, entry.after) == ({"tenants": 1, "alerts": 0}, "robin", some.summary)


# Which subscription


def test_an_alert_names_the_live_subscription_and_not_one_that_ended() -> None:
    subscription = subscribe_tenant("acme", plan=make_plan(), as_of=NOON)
    plan = subscription.plan_version.usage_plan
    terms = UsagePlanTerms(
        name=plan.name, quotas=(quota(100, meter="calls"), quota(10, meter="calls", period=Period.DAY))
    )
    update_usage_plan(usage_plan=plan, terms=terms, actor=OPERATOR, as_of=NOON)
    use_calls(subscription.tenant, 80, at=NOON)
    monitor_thresholds(as_of=NOON)
    assert set(ThresholdAlert.objects.values_list("agreement_id", flat=True)) == {subscription.pk}
    assert {event.payload["subscription"] for event in OutboxEvent.objects.filter(type=ThresholdReached.type)} == {
        str(subscription.pk)
    }
    before = ThresholdAlert.objects.count()

    first_invoice(subscription)
    cancel_subscription(subscription=subscription, when=When.NOW, actor=OPERATOR, as_of=NOON + MINUTE)
    use_calls(subscription.tenant, 20, at=NOON)
    monitor_thresholds(as_of=NOON)
    assert list(ThresholdAlert.objects.order_by("id").values_list("agreement_id", flat=True)[before:]) == [None, None]
