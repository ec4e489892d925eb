"""The filter of invoices, their sums, and the files of what it finds."""

import io
import json
import zipfile

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client

from billing.evidence.services import bundles
from billing.models import Invoice
from billing.services.documents.deliveries import deliver_documents
from billing.services.invoicing.staff_actions import void_invoice
from portal.views import invoice_files
from tests.billing.world import STAFF
from tests.portal.conftest import NOW, Cast, signed_in
from tests.portal.views.test_invoices import issue_march, subscribe_acme
from tests.portal.views.test_pricing import shown


def whole(answer: HttpResponse) -> bytes:
    assert isinstance(answer, StreamingHttpResponse)
    return b"".join(answer.streaming_content)  # type: ignore[arg-type]


@pytest.fixture
def numbers(cast: Cast) -> list[str]:
    """Issue three invoices: of January, February and March; the last is open."""
    issue_march(subscribe_acme(cast))
    return list(Invoice.objects.issued().order_by("finalized_at").values_list("number", flat=True))


def test_the_filter_finds_by_state_days_and_text(alice: Client, numbers: list[str]) -> None:
    def finds(question: str) -> list[str]:
        lines = whole(alice.get(f"/t/acme/invoices.csv?{question}")).decode().splitlines()[1:]
        return sorted(line.split(",")[0] for line in lines)

    void_invoice(invoice_id=Invoice.objects.get(number=numbers[0]).pk, reason="Twice", actor=STAFF, as_of=NOW)

    assert finds("") == numbers
    assert finds("state=void") == numbers[:1]
    assert finds("state=overdue") == numbers[1:2]
    assert finds("state=open") == numbers[2:]
    assert "No invoice matches" in shown(alice.get("/t/acme/invoices/?state=paid"))
    assert finds("start=2026-03-01&end=2026-03-31") == numbers[-1:]
    assert finds(f"text={numbers[1]}") == numbers[1:2]
    assert finds("text=CALLS&start=2026-03-01") == numbers[-1:]
    assert finds("text=100%25") == []
    assert finds("start=2026-03-31&end=2026-03-01") == numbers, "a filter that is wrong shows its problem and all"


def test_sums_are_by_currency_and_without_void_invoices(alice: Client, numbers: list[str]) -> None:
    issued = list(Invoice.objects.issued().order_by("finalized_at"))
    void_invoice(invoice_id=issued[0].pk, reason="Twice", actor=STAFF, as_of=NOW)
    rest = sum(invoice.total_minor for invoice in issued[1:])

    page = shown(alice.get("/t/acme/invoices/"))

    assert f"{len(numbers)} invoices in EUR {rest / 100:,.2f} EUR due {rest / 100:,.2f} EUR" in page


def test_csv_has_what_the_filter_finds(alice: Client, numbers: list[str]) -> None:
    lines = whole(alice.get("/t/acme/invoices.csv?start=2026-03-01")).decode().splitlines()

    assert lines[0].split(",")[:3] == ["number", "issued_on", "due_on"]
    assert [line.split(",")[0] for line in lines[1:]] == numbers[-1:]
    assert len(whole(alice.get("/t/acme/invoices.csv")).splitlines()) == 1 + len(numbers)


def test_the_archive_has_each_pdf_and_no_more_than_fit(
    alice: Client, numbers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_documents(as_of=NOW)

    archive = zipfile.ZipFile(io.BytesIO(whole(alice.get("/t/acme/invoices.zip"))))

    assert sorted(archive.namelist()) == sorted(f"{number}.pdf" for number in numbers)
    assert archive.read(f"{numbers[0]}.pdf").startswith(b"%PDF")
    assert archive.testzip() is None
    monkeypatch.setattr(invoice_files, "PDFS_MAX", 1)
    answer = alice.get("/t/acme/invoices.zip?start=2025-01-01", follow=True)
    assert answer.redirect_chain == [("/t/acme/invoices/?start=2025-01-01", 302)]
    assert "At most 1 PDFs fit in one archive." in shown(answer)


def test_another_tenants_invoices_are_in_no_file(cast: Cast, client: Client, numbers: list[str]) -> None:
    client.force_login(cast.charlie, backend="django.contrib.auth.backends.ModelBackend")

    assert whole(client.get("/t/rival/invoices.csv")).count(b"\n") == 1
    assert client.get("/t/acme/invoices.csv").status_code == 404


def test_the_evidence_of_an_invoice_is_a_file_for_those_who_manage_billing(
    alice: Client, cast: Cast, numbers: list[str]
) -> None:
    path = f"/t/acme/invoices/{numbers[-1]}/evidence/"
    page = alice.get(f"/t/acme/invoices/{numbers[-1]}/").content.decode()
    assert path in page
    assert "/clients/verify_invoice.py" in page
    full, hashes = (json.loads(whole(alice.get(f"{path}{query}"))) for query in ("", "?events=hashes"))
    assert (full["head"]["invoice"], full["head"]["events"]) == (numbers[-1], "full")
    assert hashes["head"]["events"] == "hashes"
    assert signed_in(cast.vera).get(path).status_code == 403
    assert alice.get("/t/acme/invoices/INV-2026-999999/evidence/").status_code == 404


def test_evidence_that_is_too_large_is_refused_with_a_sentence(
    alice: Client, numbers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "EVENTS_MAX", 0)
    answer = alice.get(f"/t/acme/invoices/{numbers[-1]}/evidence/", follow=True)
    assert "The invoice has more than 0 events." in shown(answer)
