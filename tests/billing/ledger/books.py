"""The ledger of accounts in the form of docs/algorithms/ledger.md, for tests."""

from collections.abc import Iterable
from uuid import UUID

from billing.ledger.domain.accounts import EntryKind, LedgerAccount
from billing.ledger.domain.entries import Movement
from billing.ledger.models import Posting

Row = tuple[str, str, int]


def row_of(moved: Movement | Posting) -> Row:
    """Return account, what it is of, and amount, as in the tables of section L4."""
    of = moved.document or moved.provider
    if moved.service_month is not None:
        of = f"{moved.meter} {moved.service_month:%Y-%m}"
    if moved.tax_percent is not None:
        percent = f"{moved.tax_percent.normalize():f}"
        of = f"{moved.jurisdiction} {moved.tax_category} {moved.tax_name} {percent} of {moved.base_minor}"
    return str(moved.account), of, moved.amount_minor


def rows_of(moved: Iterable[Movement | Posting]) -> list[Row]:
    return sorted(row_of(each) for each in moved)


def posted(kind: EntryKind | None = None, *, tenant_id: UUID | None = None) -> list[Row]:
    """Return what is posted, of one kind or tenant or all."""
    found = Posting.objects.select_related("entry")
    if kind is not None:
        found = found.filter(entry__kind=kind)
    if tenant_id is not None:
        found = found.filter(tenant=tenant_id)
    return rows_of(found)


def balances(tenant_id: UUID | None = None) -> dict[str, int]:
    """Return the balance of each account that has one."""
    sums = dict.fromkeys((account.value for account in LedgerAccount), 0)
    found = Posting.objects.all() if tenant_id is None else Posting.objects.filter(tenant=tenant_id)
    for posting in found:
        sums[posting.account] += posting.amount_minor
    assert sum(sums.values()) == 0
    return {account: amount for account, amount in sums.items() if amount}
