"""The portal, staff and documents explain a line by the same steps, which add up to its amount."""

from decimal import Decimal
from typing import Any

import pytest

from billing.admin.wording import shown_steps
from billing.domain.documents import lines_content
from billing.domain.invoicing.computing import compute_invoice
from billing.domain.invoicing.lines import LineDraft
from billing.domain.invoicing.state import InvoicedFee, Phase
from billing.domain.money import to_major
from billing.rendering.services import wording
from portal.invoice_lines import steps_shown
from tests.billing.domain.states import BASIC, MARCH, PASS, TEAM, UNTAXED, invoiced, state, used
from tests.billing.rendering.services import samples


def with_what_was_taken_back() -> list[LineDraft]:
    """Return lines after a fee was taken back: a change of plan, a correction partly on void invoices, and credit."""
    of = state(
        1,
        phases=(Phase(MARCH, BASIC), Phase(MARCH.replace(day=16), TEAM)),
        fee=InvoicedFee(None, None, is_forgiven=True),
    )
    known = invoiced(used(10**6), used(0, 0), 100_000, forgiven_minor=40_000)
    usage = [used(123_456) for _ in of.usage_wanted()]
    computed = compute_invoice(of, usage=usage, invoiced=[known], credit_minor=100, taxes=UNTAXED)
    return list(computed.lines)


def after_a_change_and_back() -> list[LineDraft]:
    """Return stretches of one period.

    The last begins when the others end, and is corrected because the first changed.
    """
    day = MARCH.replace(day=16)
    phases = (Phase(MARCH, TEAM), Phase(day, PASS), Phase(day.replace(day=17), TEAM), Phase(day.replace(day=18), PASS))
    of = state(1, phases=phases)
    calls = [used(99_999), used("0.5"), used(5), used(1)]
    bytes_sent = iter([used(4), used(3)])
    usage = [calls.pop(0) if price.meter_code == "calls" else next(bytes_sent) for _, price, _ in of.usage_wanted()]
    return list(compute_invoice(of, usage=usage, invoiced=[], credit_minor=0, taxes=UNTAXED).lines)


LINES = [*after_a_change_and_back(), *samples.every_kind_of_line(), *with_what_was_taken_back()]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.description)
def test_portal_staff_and_documents_explain_a_line_by_steps_that_add_up(line: LineDraft) -> None:
    for_customers = steps_shown(line.explanation, line.amount_minor, "EUR")
    for_staff = shown_steps(line.explanation, line.amount_minor, "EUR")
    [content] = lines_content([line], "UTC")
    printed = wording.steps_under(content, "EUR")

    for told in (for_customers, for_staff, printed):
        assert not told or sum(amount_of(step) for step in told) == to_major(line.amount_minor, "EUR")
    labels = [step.label for step in for_customers]
    assert [step.what.partition(": ")[0] for step in for_staff] == [label.partition(": ")[0] for label in labels]
    # A document has a column for the price of a unit, which states what is included.
    in_document = [label.removesuffix(", included") for label in labels]
    assert [step.label for step in printed] == in_document or (not printed and wording.unit_price(content))


def amount_of(step: Any) -> Decimal:
    text = step.amount.removesuffix("\N{NO-BREAK SPACE}EUR").replace(",", "").replace("\N{MINUS SIGN}", "-")
    return Decimal(text or 0)  # which units of a period are meant adds nothing


def test_the_tested_lines_are_of_every_kind() -> None:
    said = {step.label for line in LINES for step in steps_shown(line.explanation, line.amount_minor, "EUR")}
    for words in (
        "Packages of",
        "Units 1 to 99,999 of this period",
        "Units above 99,999.5 up to 100,004.5 of this period",
        "together with the lines before",
        "less what was charged for it before",
        "Rounded half up",
        "days of a fee",
        "taken back",
        "stood on invoices",
        "Invoiced before",
    ):
        assert any(words in label for label in said), words
