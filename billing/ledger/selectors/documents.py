"""Reads of documents in the ledger: their entries, movements and open amounts."""

from uuid import UUID

from django.db.models import Sum

from billing.ledger.domain.accounts import EntryKind, LedgerAccount
from billing.ledger.domain.entries import Movement
from billing.ledger.models import Posting


def movements_of(kind: EntryKind, source: str) -> tuple[Movement, ...]:
    """Return the movements of an entry; none if there is no entry."""
    return tuple(_movement(posting) for posting in Posting.objects.filter(entry__kind=kind, entry__source=source))


def balance_of_document(*, tenant_id: UUID, document: str, account: LedgerAccount) -> int:
    """Return the balance of a document on an account, such as the open amount of an invoice, in minor units."""
    found = Posting.objects.filter(tenant=tenant_id, account=account, document=document).aggregate(
        sum=Sum("amount_minor")
    )
    return int(found["sum"] or 0)


def _movement(posting: Posting) -> Movement:
    return Movement(
        account=LedgerAccount(posting.account),
        amount_minor=posting.amount_minor,
        document=posting.document,
        due_on=posting.due_on,
        meter=posting.meter,
        service_month=posting.service_month,
        jurisdiction=posting.jurisdiction,
        tax_category=posting.tax_category,
        tax_name=posting.tax_name,
        tax_percent=posting.tax_percent,
        base_minor=posting.base_minor,
        provider=posting.provider,
    )
