"""Each invariant of billing's tables holds against every writer, also one that goes past the services."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from pytest_django.plugin import DjangoDbBlocker

from accounts.notices.models import OutboundMail
from billing.models import (
    BillingException,
    BillingProfile,
    ExchangeRate,
    Invoice,
    Issuer,
    PlanVersion,
    Price,
    Subscription,
    SubscriptionPhase,
    TaxIdCheck,
    TaxRate,
    TaxRegistration,
)
from metering.models import Meter, UsagePlan
from tests.billing.models import rows
from tests.billing.models.rows import NOW, issued
from tests.billing.world import subscribe_tenant
from tests.metering.ledger_world import make_meter
from tests.shared_world import shared_world

pytestmark = pytest.mark.django_db


def refuses(name: str) -> AbstractContextManager[object]:
    return pytest.raises(IntegrityError, match=name)


@pytest.fixture(scope="module")
def sold(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Subscription]:
    yield from shared_world(django_db_blocker, subscribe_tenant)


@pytest.fixture
def subscription(sold: Subscription) -> Subscription:
    return Subscription.objects.select_related("tenant", "plan_version__plan").get(pk=sold.pk)


@pytest.fixture
def version(subscription: Subscription) -> PlanVersion:
    return subscription.plan_version


@pytest.fixture
def other() -> Subscription:
    """Create another tenant's subscription, on a plan of its own."""
    return subscribe_tenant("globex")


@pytest.fixture
def draft(subscription: Subscription) -> Invoice:
    return rows.draft(subscription)


@pytest.fixture
def finalized(draft: Invoice) -> Invoice:
    Invoice.objects.filter(pk=draft.pk).update(**issued())
    draft.refresh_from_db()
    return draft


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"number": 1}, "plan_version_once"),
        ({"number": 0}, "plan_version_from_one"),
        ({"number": 7, "trial_days": 731}, "plan_version_trial_bounded"),
    ],
)
def test_the_versions_of_a_plan_are_numbered_once_from_one_on(
    version: PlanVersion, fields: dict[str, object], name: str
) -> None:
    usage_plan = UsagePlan.objects.get(pk=version.usage_plan_id)
    with refuses(name), transaction.atomic():
        PlanVersion.objects.create(
            plan=version.plan, usage_plan=usage_plan, digest=rows.DIGEST, created_at=NOW, **fields
        )


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"kind": "recurring"}, "price_one_fee"),
        ({"kind": "usage", "meter": "calls"}, "price_one_per_meter"),
        ({"kind": "usage"}, "price_kind_has_its_meter"),
        ({"kind": "recurring", "meter": "bytes"}, "price_kind_has_its_meter"),
        ({"kind": "recurring", "currency": "USD", "model": "per_unit"}, "price_kind_has_its_meter"),
        ({"kind": "gift"}, "price_kind_has_its_meter"),
        ({"kind": "usage", "meter": "bytes", "model": "auction"}, "price_model_known"),
        ({"kind": "usage", "meter": "bytes", "currency": "eur"}, "price_currency_is_code"),
    ],
)
def test_a_version_has_one_fee_a_currency_and_one_price_a_meter(
    version: PlanVersion, fields: dict[str, object], name: str
) -> None:
    make_meter("bytes", "http_request", unit="byte")
    given = {"currency": "EUR", "model": "flat", "terms": {"amount": "1"}} | fields
    given["meter"] = Meter.objects.filter(code=given.get("meter")).first()
    with refuses(name), transaction.atomic():
        Price.objects.create(plan_version=version, **given)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"tax_percent": Decimal(-1)}, "billing_profile_percent_bounded"),
        ({"tax_percent": Decimal("100.0001")}, "billing_profile_percent_bounded"),
        ({"tax_treatment": "none"}, "billing_profile_tax_known"),
    ],
)
def test_a_tenants_tax_treatment_is_a_known_one(
    subscription: Subscription, change: dict[str, object], name: str
) -> None:
    BillingProfile.objects.create(tenant_id=subscription.tenant_id)
    with refuses(name), transaction.atomic():
        BillingProfile.objects.filter(tenant_id=subscription.tenant_id).update(**change)


@pytest.mark.parametrize("percent", ["-0.0001", "100.0001"])
def test_a_tax_rate_is_at_most_100_percent(percent: str) -> None:
    with refuses("tax_rate_percent_bounded"), transaction.atomic():
        TaxRate.objects.create(country="ZZ", percent=Decimal(percent))


def test_a_country_has_one_tax_rate_a_day() -> None:
    TaxRate.objects.create(country="ZZ", percent=Decimal(21))
    TaxRate.objects.create(country="ZZ", percent=Decimal(25), valid_from=date(2026, 3, 1))
    for since in (None, date(2026, 3, 1)):
        with refuses("tax_rate_once_a_day"), transaction.atomic():
            TaxRate.objects.create(country="ZZ", percent=Decimal(9), valid_from=since)


@pytest.mark.parametrize(
    ("percent", "category", "reason"), [(0, "S", ""), (0, "Z", ""), (0, "E", ""), (21, "Z", "Books."), (0, "AE", "X.")]
)
def test_a_tax_rate_of_zero_has_its_reason(percent: int, category: str, reason: str) -> None:
    with refuses("tax_rate_of_zero_has_reason"), transaction.atomic():
        TaxRate.objects.create(country="ZZ", percent=Decimal(percent), category=category, reason=reason)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"country": "BE", "scheme": "oss_union"}, "tax_registration_once"),
        ({"country": "DE", "scheme": "barter"}, "tax_registration_scheme_known"),
        (
            {"country": "DE", "scheme": "local", "valid_from": date(2026, 3, 2), "valid_until": date(2026, 3, 1)},
            "tax_registration_days_in_order",
        ),
    ],
)
def test_a_tax_registration_is_of_a_known_kind_and_has_its_days(given: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        TaxRegistration.objects.create(**given)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"unverified_tax_ids": "hope"}, "issuer_unverified_tax_ids_known"),
        ({"tax_rules_confirmed_by": ""}, "issuer_confirmation_says_who"),
        ({"tax_rules_confirmed_at": None}, "issuer_confirmation_says_who"),
    ],
)
def test_an_issuers_tax_settings_are_complete(change: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        Issuer.objects.update(**change)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "exchange_rate_once_a_day"),
        ({"day": date(2026, 2, 26), "rate": 0}, "exchange_rate_above_zero"),
        ({"currency": "EUR"}, "exchange_rate_between_two"),
        ({"day": date(2026, 2, 26), "source": ""}, "exchange_rate_has_source"),
    ],
)
def test_an_exchange_rate_is_positive_between_two_currencies(change: dict[str, object], name: str) -> None:
    known = {"currency": "USD", "day": date(2026, 2, 27), "rate": Decimal("1.0823")}
    ExchangeRate.objects.create(**known)
    with refuses(name), transaction.atomic():
        ExchangeRate.objects.create(**(known | change))


@pytest.mark.parametrize(
    ("change", "name"),
    [({"source": "guess"}, "tax_id_check_source_known"), ({"tax_id": ""}, "tax_id_check_has_tax_id")],
)
def test_a_check_of_a_tax_id_names_its_subject_and_its_author(
    subscription: Subscription, change: dict[str, object], name: str
) -> None:
    said = {"tenant": subscription.tenant, "tax_id": "DE136695976", "is_valid": True, "source": "vies"}
    with refuses(name), transaction.atomic():
        TaxIdCheck.objects.create(checked_at=NOW, **(said | change))


def test_there_is_one_issuer() -> None:
    with refuses("issuer_is_one"), transaction.atomic():
        Issuer.objects.create(id=2)


def test_a_tenant_has_one_live_subscription(subscription: Subscription, other: Subscription) -> None:
    with refuses("subscription_one_live"), transaction.atomic():
        Subscription.objects.filter(pk=other.pk).update(tenant_id=subscription.tenant_id)
    Subscription.objects.filter(pk=subscription.pk).update(status="cancelled", ended_at=NOW)
    Subscription.objects.filter(pk=other.pk).update(tenant_id=subscription.tenant_id)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"status": "paused"}, "subscription_status_known"),
        ({"status": "cancelled"}, "subscription_ended_is_cancelled"),
        ({"ended_at": NOW}, "subscription_ended_is_cancelled"),
        ({"due_at": None}, "subscription_ended_is_cancelled"),
        ({"period_end": NOW - timedelta(days=400)}, "subscription_period_in_order"),
    ],
)
def test_a_subscriptions_fields_agree_with_its_status(
    subscription: Subscription, change: dict[str, object], name: str
) -> None:
    with refuses(name), transaction.atomic():
        Subscription.objects.filter(pk=subscription.pk).update(**change)


def test_one_change_at_most_waits_for_the_end_of_the_period(subscription: Subscription, other: Subscription) -> None:
    with refuses("subscription_one_pending_change"), transaction.atomic():
        Subscription.objects.filter(pk=subscription.pk).update(
            pending_plan_version=other.plan_version, is_cancelled_at_period_end=True
        )


def test_one_phase_begins_at_a_moment(subscription: Subscription, other: Subscription) -> None:
    with refuses("subscription_phase_once"), transaction.atomic():
        SubscriptionPhase.objects.create(
            subscription=subscription,
            plan_version=other.plan_version,
            starts_at=subscription.started_at,
            created_at=NOW,
        )


def test_an_amount_that_needs_a_colleague_is_not_below_nothing() -> None:
    with refuses("issuer_approval_above_not_negative"), transaction.atomic():
        Issuer.objects.update(approval_above=-1)


def test_a_policy_for_unused_fees_is_one_of_two(subscription: Subscription) -> None:
    with refuses("issuer_fee_refund_known"), transaction.atomic():
        Issuer.objects.update(fee_refund="half")
    with refuses("subscription_end_refund_known"), transaction.atomic():
        Subscription.objects.filter(pk=subscription.pk).update(end_refund="half")
    with refuses("subscription_phase_refund_known"), transaction.atomic():
        SubscriptionPhase.objects.create(
            subscription=subscription,
            plan_version=subscription.plan_version,
            starts_at=NOW,
            fee_refund="half",
            created_at=NOW,
        )


def test_an_exception_is_open_once(subscription: Subscription) -> None:
    facts = {"subscription": subscription, "code": "negative_usage", "detail": "?", "occurred_at": NOW}
    first = BillingException.objects.create(**facts)
    with refuses("billing_exception_open_once"), transaction.atomic():
        BillingException.objects.create(**facts)
    BillingException.objects.filter(pk=first.pk).update(resolved_at=NOW)
    BillingException.objects.create(**facts)


def test_an_approval_names_its_amount(subscription: Subscription) -> None:
    facts = {"subscription": subscription, "code": "unusual_amount", "detail": "?", "occurred_at": NOW}
    with refuses("billing_exception_approval_names_amount"), transaction.atomic():
        BillingException.objects.create(**facts, is_approved=True, resolved_at=NOW)


@pytest.mark.parametrize(("check", "limit"), [("limit", None), ("limit", -1), ("off", 1), ("never", None)])
def test_a_plausibility_check_has_its_limit(subscription: Subscription, check: str, limit: int | None) -> None:
    with refuses("billing_profile_amount_check_has_limit"), transaction.atomic():
        BillingProfile.objects.create(tenant=subscription.tenant, amount_check=check, amount_max_minor=limit)


def test_a_boundary_is_invoiced_once(subscription: Subscription, finalized: Invoice) -> None:
    with refuses("invoice_once_per_boundary"), transaction.atomic():
        rows.draft(subscription)


def test_a_subscription_has_one_draft(subscription: Subscription, draft: Invoice) -> None:
    with refuses("invoice_one_draft"), transaction.atomic():
        rows.draft(subscription, boundary=1)


@pytest.mark.parametrize(
    "fields",
    [{"boundary": None}, {"kind": "replacement", "boundary": None}, {"kind": "replacement"}, {"kind": "manual"}],
)
def test_what_kind_an_invoice_is_says_whether_it_closes_a_boundary(
    subscription: Subscription, fields: dict[str, object]
) -> None:
    with refuses("invoice_kind_says_what_it_closes"), transaction.atomic():
        rows.draft(subscription, **fields)
    rows.draft(subscription, boundary=None, kind="manual")


def test_a_credit_note_is_whole_or_in_part_and_says_where_its_money_goes(finalized: Invoice) -> None:
    part = {"invoice": None, "part_of": finalized}
    for fields in ({"part_of": finalized}, {"goes_to": "refund"}, {"invoice": None}, part, part | {"goes_to": "bank"}):
        with refuses("credit_note_is_whole_or_in_part"), transaction.atomic():
            rows.credit_note(finalized, **fields)
    rows.credit_note(finalized, **part, goes_to="balance")


def test_an_invoice_is_issued_again_once(subscription: Subscription, finalized: Invoice) -> None:
    again = {"kind": "replacement", "boundary": None, "original": finalized, "replaces": finalized}
    rows.draft(subscription, **again)
    with refuses("replaces_id"), transaction.atomic():
        rows.draft(subscription, **again)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (issued(status="lost"), "invoice_status_known"),
        ({"total_minor": 5830}, "invoice_total_is_sum"),
        ({"subtotal_minor": -5000, "tax_minor": 0, "total_minor": -5000}, "invoice_total_not_negative"),
        ({"number": "INV-1"}, "invoice_finalized_has_number"),
        (issued(number=None), "invoice_finalized_has_number"),
        (issued(due_on=None), "invoice_finalized_has_number"),
        (issued(status="paid"), "invoice_paid_has_time"),
        (issued(status="paid", paid_at=NOW, amount_paid_minor=5830), "invoice_paid_is_settled"),
        (issued(amount_paid_minor=5000, credited_minor=832), "invoice_total_not_overpaid"),
        (issued(amount_paid_minor=-1), "invoice_total_not_overpaid"),
        (issued(status="void", voided_at=NOW), "invoice_void_has_reason"),
        (issued(status="void", void_reason="Billed twice."), "invoice_void_has_reason"),
        ({"period_end": NOW - timedelta(seconds=1)}, "invoice_period_in_order"),
    ],
)
def test_an_invoices_fields_agree_with_its_status(
    subscription: Subscription, fields: dict[str, object], name: str
) -> None:
    with refuses(name), transaction.atomic():
        rows.draft(subscription, **fields)


def test_a_position_of_a_revision_has_one_line(draft: Invoice) -> None:
    rows.line(draft)
    rows.line(draft, revision=2)
    with refuses("invoice_line_once"), transaction.atomic():
        rows.line(draft)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"kind": "gift"}, "invoice_line_kind_known"),
        ({"position": 0}, "invoice_line_from_one"),
        ({"price": None}, "invoice_line_usage_has_price"),
        ({"meter": None}, "invoice_line_usage_has_price"),
        ({"events": None}, "invoice_line_usage_has_price"),
        ({"quantity": -1}, "invoice_line_usage_has_price"),
        ({"kind": "adjustment"}, "invoice_line_adjustment_has_line"),
        ({"tax_category": ""}, "invoice_line_tax_known"),
        ({"tax_category": "X"}, "invoice_line_tax_known"),
        ({"kind": "carry"}, "invoice_line_carry_bears_no_tax"),
        ({"tax_percent": -1}, "invoice_line_tax_percent_bounded"),
        ({"tax_percent": 101}, "invoice_line_tax_percent_bounded"),
    ],
)
def test_a_line_stores_what_it_was_computed_from(draft: Invoice, fields: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        rows.line(draft, **fields)


def test_credit_bears_no_tax_but_on_lines_from_before_lines_bore_theirs(draft: Invoice) -> None:
    settled = rows.line(draft, kind="carry", tax_category="", tax_treatment="")
    assert settled.tax is None
    assert rows.line(draft, position=2, kind="carry", supplied_on=None).tax is not None


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "invoice_tax_once"),
        ({"position": 2}, "invoice_tax_one_per_rate"),
        ({"position": 0, "percent": 21}, "invoice_tax_from_one"),
        ({"position": 2, "category": "X"}, "invoice_tax_category_known"),
        ({"position": 2, "percent": 101}, "invoice_tax_percent_bounded"),
        ({"position": 2, "percent": -1}, "invoice_tax_percent_bounded"),
    ],
)
def test_an_invoice_has_one_row_for_each_tax(draft: Invoice, fields: dict[str, object], name: str) -> None:
    assert str(rows.tax(draft)) == "VAT 19 %"
    with refuses(name), transaction.atomic():
        rows.tax(draft, **fields)


def test_only_an_adjustment_corrects_a_line(draft: Invoice) -> None:
    first = rows.line(draft)
    with refuses("invoice_line_adjustment_has_line"), transaction.atomic():
        rows.line(draft, position=2, adjusts=first)
    rows.line(draft, position=2, adjusts=first, kind="adjustment", quantity=-1)
    rows.line(draft, position=3, adjusts=first, kind="proration", quantity=-1)


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"total_minor": 1}, "credit_note_total_is_sum"), ({"reason": ""}, "credit_note_has_reason")],
)
def test_a_credit_note_adds_up_and_has_its_reason(finalized: Invoice, fields: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        rows.credit_note(finalized, **fields)


def test_an_attempt_to_pay_is_recorded_once(finalized: Invoice) -> None:
    rows.payment(finalized, status="failed")
    with refuses("payment_once"), transaction.atomic():
        rows.payment(finalized, status="failed")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"allocated_minor": 5000, "refunded_minor": 832}, "payment_not_overspent"),
        ({"refunded_minor": -1}, "payment_not_overspent"),
        ({"status": "failed", "allocated_minor": 1}, "payment_failed_pays_nothing"),
    ],
)
def test_a_payment_pays_no_more_than_came_in(finalized: Invoice, fields: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        rows.payment(finalized, **fields)


@pytest.mark.parametrize("amount_minor", [-1, 0])
def test_a_reversing_allocation_matches_what_it_reverses(finalized: Invoice, amount_minor: int) -> None:
    payment = rows.payment(finalized)
    given = rows.allocation(payment, finalized)
    with refuses("payment_allocation_reverses_what_it_takes_back"), transaction.atomic():
        rows.allocation(payment, finalized, amount_minor=amount_minor)
    with refuses("payment_allocation_reverses_what_it_takes_back"), transaction.atomic():
        rows.allocation(payment, finalized, amount_minor=1, reverses=given)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "refund_once"),
        ({"reference": "2", "way": "pigeon"}, "refund_way_known"),
        ({"reference": "2", "amount_minor": 0}, "refund_gives_something_back"),
        ({"reference": "2", "reason": ""}, "refund_has_reason"),
    ],
)
def test_a_refunds_fields_agree_with_its_status(finalized: Invoice, fields: dict[str, object], name: str) -> None:
    payment = rows.payment(finalized)
    rows.refund(payment)
    with refuses(name), transaction.atomic():
        rows.refund(payment, **fields)


def test_a_payment_has_one_open_exception(finalized: Invoice) -> None:
    fields = {
        "subscription": finalized.subscription,
        "payment": rows.payment(finalized),
        "code": "unmatched_payment",
        "detail": "",
        "occurred_at": NOW,
    }
    BillingException.objects.create(**fields)
    with refuses("billing_exception_payment_open_once"), transaction.atomic():
        BillingException.objects.create(**fields)


@pytest.mark.parametrize(
    ("fields", "name"), [({"status": "maybe"}, "payment_status_known"), ({"amount_minor": -1}, "payment_not_negative")]
)
def test_a_payments_fields_agree_with_its_status(finalized: Invoice, fields: dict[str, object], name: str) -> None:
    with refuses(name), transaction.atomic():
        rows.payment(finalized, **fields)


def test_an_alert_is_raised_once_for_a_quota_and_period(subscription: Subscription) -> None:
    rows.alert(subscription)
    with refuses("threshold_alert_once"), transaction.atomic():
        rows.alert(subscription, quantity=900)
    rows.alert(subscription, limit=2000)
    with refuses("threshold_alert_known"), transaction.atomic():
        rows.alert(subscription, threshold=50)


def test_a_mail_records_its_outcome(subscription: Subscription) -> None:
    mail = rows.mail(subscription)
    for status, name in (("lost", "outbound_mail_status_known"), ("sent", "outbound_mail_sent_has_time")):
        with refuses(name), transaction.atomic():
            OutboundMail.objects.filter(pk=mail.pk).update(status=status)
    with refuses("outbound_mail_attachment_has_name"), transaction.atomic():
        OutboundMail.objects.filter(pk=mail.pk).update(attachment_name="a.pdf")


@pytest.mark.parametrize("amount_minor", [-1, 0])
def test_a_set_off_takes_back_what_another_said(finalized: Invoice, amount_minor: int) -> None:
    given = rows.set_off(finalized)
    assert str(given) == "Credit for INV-2026-000001"
    with refuses("set_off_reverses_what_it_takes_back"), transaction.atomic():
        rows.set_off(finalized, amount_minor=amount_minor)
    with refuses("set_off_reverses_what_it_takes_back"), transaction.atomic():
        rows.set_off(finalized, amount_minor=1, reverses=given)
