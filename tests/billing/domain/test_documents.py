"""The contents of a document: the invoice in plain values, its days, and the note that takes it back."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from billing.domain.documents import (
    CUSTOMER_FIELDS,
    ISSUER_FIELDS,
    Heading,
    credit_note_content,
    days_of,
    digest_of_content,
    invoice_content,
    lines_content,
)
from metering.domain.periods import Span
from tests.billing.domain.states import (
    VAT_ALWAYS,
    compute,
    state,
    used,
)


def heading() -> Heading:
    return Heading(
        number="INV-2026-000001",
        issued_on=date(2026, 4, 1),
        due_on=date(2026, 4, 15),
        payment_days=14,
        charged_to="",
        payment_url="https://example.com/pay",
        issuer=dict.fromkeys(ISSUER_FIELDS, "x"),
        customer=dict.fromkeys(CUSTOMER_FIELDS, "y"),
    )


def test_a_document_holds_the_whole_invoice_in_plain_values() -> None:
    computed = compute(state(1), [used("1000.50", 3)], taxes=VAT_ALWAYS)
    content = invoice_content(heading(), computed)
    assert (content["number"], content["digits"], content["total_minor"]) == ("INV-2026-000001", 2, 6050)
    assert content["period"] == {
        "first_day": "2026-03-01",
        "last_day": "2026-03-31",
        "start": "2026-03-01T00:00:00Z",
        "end": "2026-04-01T00:00:00Z",
    }
    assert content["taxes"] == [
        {
            "name": "VAT",
            "percent": "21",
            "treatment": "standard",
            "note": "",
            "category": "S",
            "jurisdiction": "",
            "base_minor": 5000,
            "amount_minor": 1050,
        }
    ]
    described = content["lines"]
    assert isinstance(described, list)
    assert [line["position"] for line in described] == [1, 2]
    assert described[0]["quantity"] == "1000.5"
    borne = {"category": "S", "rate": "21", "reason": "", "name": "VAT", "jurisdiction": ""}
    assert (described[0]["tax"], described[0]["supplied_on"]) == (borne, "2026-03-31")


def test_credit_bears_no_tax_and_an_older_line_states_none() -> None:
    of = compute(state(0), credit_minor=1)
    assert lines_content(of.lines, "UTC")[1]["tax"] is None
    assert "tax" not in lines_content([replace(of.lines[0], supplied_on=None)], "UTC")[0]


def test_a_credit_note_takes_back_the_whole_document_under_its_own_number() -> None:
    content = invoice_content(heading(), compute(state(0), taxes=VAT_ALWAYS))
    note = credit_note_content(content, number="CN-2026-000001", issued_on=date(2026, 4, 2), reason="Billed twice.")
    assert (note["kind"], note["number"], note["invoice_number"]) == (
        "credit_note",
        "CN-2026-000001",
        "INV-2026-000001",
    )
    assert (note["issued_on"], note["invoice_issued_on"], note["due_on"]) == ("2026-04-02", "2026-04-01", None)
    assert note["lines"] == content["lines"]
    assert digest_of_content(note) != digest_of_content(content)
    assert digest_of_content(content) == digest_of_content(dict(reversed(content.items())))


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-02-28T23:00Z", "2026-03-31T22:00Z", ("2026-03-01", "2026-03-31")),
        ("2026-03-10T11:00Z", "2026-03-10T11:00Z", ("2026-03-10", "2026-03-10")),
        ("2026-03-10T11:00Z", "2026-03-10T23:00:00.000001Z", ("2026-03-10", "2026-03-11")),
    ],
)
def test_a_document_names_the_first_and_the_last_day_of_the_zone(start: str, end: str, days: tuple[str, str]) -> None:
    span = Span(datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert days_of(span, "Europe/Berlin") == days
