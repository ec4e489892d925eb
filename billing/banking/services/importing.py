"""Importing a statement: each entry is stored once, and pays its invoice if there is no doubt which one that is."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.services.audit import AuditTarget, record_audit
from billing.banking.domain.entries import KeyedEntry, with_keys
from billing.banking.errors import StatementKnownError
from billing.banking.gateways.files import read_statement
from billing.banking.models import BankEntry, BankStatement, EntryStatus
from billing.banking.selectors.owed import owed_invoices, stated
from billing.banking.services.assigning import assign_matched

OUTGOING: Final = "Money that went out."
_FILE_NAME_CHARACTERS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: entries that were new, that paid an invoice, that wait for a person, and known ones."""

    statement: BankStatement
    new: int
    assigned: int
    waiting: int
    known: int


def import_statement(*, content: bytes, file_name: str, actor: Actor, as_of: datetime) -> Imported:
    """Store the entries of a statement and pay what they pay.

    The entries are stored in one transaction, and each payment in one of its own: an import that was killed is
    continued by `pay_open_entries`. Raises `StatementError`, `StatementKnownError`.
    """
    found, entries = read_statement(content)
    keyed = with_keys(entries)
    digest = hashlib.sha256(content).hexdigest()
    days = [one.entry.booked_on for one in keyed]
    try:
        with transaction.atomic():
            statement = BankStatement.objects.create(
                sha256=digest,
                file_name=" ".join(file_name.split())[:_FILE_NAME_CHARACTERS_MAX],
                format=found,
                first_on=min(days),
                last_on=max(days),
                entries_total=len(keyed),
                entries_known=0,
                imported_at=as_of,
                imported_by=actor.label[:254],
            )
            new = _store(statement, keyed, as_of)
            BankStatement.objects.filter(pk=statement.pk).update(entries_known=len(keyed) - new)
            record_audit(
                actor=actor,
                action="bank_statement.imported",
                tenant_id=None,
                target=AuditTarget("bank_statement", statement.pk, statement.file_name or digest[:12]),
                after={"format": found.value, "entries": len(keyed), "new": new},
                as_of=as_of,
            )
    except IntegrityError as error:
        raise StatementKnownError("This file was imported before.") from error
    assigned = pay_open_entries(statement=statement, actor=actor, as_of=as_of)
    waiting = BankEntry.objects.filter(statement=statement, status=EntryStatus.OPEN).count()
    statement.refresh_from_db()
    return Imported(statement, new, assigned, waiting, len(keyed) - new)


def pay_open_entries(*, statement: BankStatement, actor: Actor, as_of: datetime) -> int:
    """Pay invoices with the open entries of a statement that leave no doubt. Return how many."""
    assigned, owed = 0, owed_invoices()
    for entry in BankEntry.objects.filter(statement=statement, status=EntryStatus.OPEN).order_by("booked_on", "pk"):
        match = owed.match(stated(entry))
        if match is not None and assign_matched(entry_id=entry.pk, match=match, actor=actor, as_of=as_of):
            assigned += 1
            owed.forget(match.invoice_id)  # what is left of it, if anything, is for a person to see
    return assigned


def _store(statement: BankStatement, keyed: list[KeyedEntry], as_of: datetime) -> int:
    """Add the entries that no statement had; return how many."""
    known = set(BankEntry.objects.filter(key__in=[one.key for one in keyed]).values_list("key", flat=True))
    fresh = [one for one in keyed if one.key not in known and one.entry.amount_minor]
    BankEntry.objects.bulk_create(_row(statement, one, as_of) for one in fresh)
    return len(fresh)


def _row(statement: BankStatement, one: KeyedEntry, as_of: datetime) -> BankEntry:
    entry, is_outgoing = one.entry, one.entry.amount_minor < 0
    return BankEntry(
        statement=statement,
        key=one.key,
        booked_on=entry.booked_on,
        amount_minor=entry.amount_minor,
        currency=entry.currency,
        text=entry.text,
        payer=entry.payer,
        payer_account=entry.payer_account,
        account=entry.account,
        bank_reference=entry.bank_reference,
        status=EntryStatus.ASIDE if is_outgoing else EntryStatus.OPEN,
        note=OUTGOING if is_outgoing else "",
        decided_at=as_of if is_outgoing else None,
    )
