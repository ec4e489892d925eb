"""What the ledger holds about documents."""

import pytest

from billing.ledger.domain.accounts import EntryKind, LedgerAccount
from billing.ledger.selectors.documents import balance_of_document, movements_of
from billing.ledger.services.posting import post
from tests.billing.ledger.books import rows_of
from tests.billing.ledger.domain.test_entries import EVENTS
from tests.billing.ledger.happenings import happening
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db


def test_postings_of_an_entry_are_read_as_they_were_posted() -> None:
    post([happening(make_tenant("acme"), EntryKind.INVOICE, "1", movements=EVENTS["credit used"])])
    assert rows_of(movements_of(EntryKind.INVOICE, "1")) == rows_of(EVENTS["credit used"])
    assert movements_of(EntryKind.VOID, "1") == movements_of(EntryKind.INVOICE, "2") == ()


def test_the_open_amount_of_a_document_is_its_tenants() -> None:
    one, other = make_tenant("acme"), make_tenant("globex")
    post([happening(one, EntryKind.INVOICE, "1", movements=EVENTS["finalized"])])
    post([happening(one, source="2", movements=EVENTS["paid in part"])])

    def open_on(document: str, tenant: object = one, account: LedgerAccount = LedgerAccount.RECEIVABLE) -> int:
        return balance_of_document(tenant_id=tenant.pk, document=document, account=account)

    assert open_on("INV-1") == 6900
    assert open_on("INV-2") == open_on("INV-1", other) == open_on("INV-1", one, LedgerAccount.WRITE_OFF) == 0
