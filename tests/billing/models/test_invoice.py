"""Each invariant of the issuer, invoices, their lines and credit notes holds against every writer."""

from datetime import timedelta

import pytest
from django.db import transaction

from billing.models import (
    Invoice,
    Issuer,
    Subscription,
)
from tests.billing.models import rows
from tests.billing.models.rows import NOW, issued, refuses

pytestmark = pytest.mark.django_db


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


def test_there_is_one_issuer() -> None:
    with refuses("issuer_is_one"), transaction.atomic():
        Issuer.objects.create(id=2)


def test_an_amount_that_needs_a_colleague_is_not_below_nothing() -> None:
    with refuses("issuer_approval_above_not_negative"), transaction.atomic():
        Issuer.objects.update(approval_above=-1)


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
