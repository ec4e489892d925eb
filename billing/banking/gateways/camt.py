"""Statements by camt.053 (ISO 20022), of any version: elements are found by their names, whatever the namespace.

The file comes from outside: entities, document types and external references are refused before anything is expanded.
"""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from billing.banking.domain.entries import NAME_CHARACTERS_MAX, TEXT_CHARACTERS_MAX, StatedEntry
from billing.banking.errors import StatementError
from billing.domain.money import is_whole_minor, round_to_minor

_INCOMING: Final = "CRDT"
_BOOKED: Final = "BOOK"
_DEPTH_MAX: Final = 40
_CURRENCY: Final = re.compile("[A-Z]{3}")


def read_camt(content: bytes) -> list[StatedEntry]:
    """Return the booked entries of a camt.053 file. Raises `StatementError`."""
    try:
        root = fromstring(content, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        raise StatementError("The XML has a document type or entities, as no bank sends them.") from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise StatementError(f"The XML is damaged: {error}.") from error
    _check_depth(root)
    statements = list(_all(root, "Stmt"))
    if not statements:
        raise StatementError("The XML is no statement: it has no Stmt element. Export camt.053.")
    return [entry for statement in statements for entry in _entries_of(statement)]


def _check_depth(root: Element) -> None:
    level, depth = [root], 0
    while level:
        level, depth = [child for element in level for child in element], depth + 1
        if depth > _DEPTH_MAX:
            raise StatementError("The XML is nested too deeply.")


def _entries_of(statement: Element) -> Iterator[StatedEntry]:
    account = _text(statement, "Acct", "Id", "IBAN") or _text(statement, "Acct", "Id", "Othr", "Id")
    for entry in _children(statement, "Ntry"):
        status = _text(entry, "Sts", "Cd") or _text(entry, "Sts")
        if status and status != _BOOKED:
            continue  # it is only announced, and comes again when it is booked
        booked_on = _day(entry)
        details = [one for group in _children(entry, "NtryDtls") for one in _children(group, "TxDtls")]
        shared = _text(entry, "AcctSvcrRef") or _text(entry, "NtryRef")
        if len(details) <= 1:
            yield _entry(entry, details[0] if details else entry, account, booked_on, shared)
            continue
        for number, one in enumerate(details, start=1):
            if _first(one, "Amt") is None and _first(one, "AmtDtls") is None:
                raise StatementError(f"The batch booked on {booked_on} does not say how much each payment is.")
            yield _entry(entry, one, account, booked_on, f"{shared}/{number}", has_own_amount=True)


def _entry(
    entry: Element, details: Element, account: str, booked_on: date, reference: str, *, has_own_amount: bool = False
) -> StatedEntry:
    amount = _amount_of(details) if has_own_amount else _first(entry, "Amt")
    if amount is None:
        raise StatementError(f"The entry booked on {booked_on} has no amount.")
    sign = 1 if _text(entry, "CdtDbtInd") == _INCOMING else -1
    related = _first(details, "RltdPties")
    payer = "" if related is None else (_text(related, "Dbtr", "Nm") or _text(related, "Dbtr", "Pty", "Nm"))
    texts = [element.text or "" for element in _all(details, "Ustrd")]
    texts += [element.text or "" for one in _all(details, "CdtrRefInf") for element in _children(one, "Ref")]
    texts.append(_text(details, "Refs", "EndToEndId"))
    texts.append("" if texts[:-1] else _text(entry, "AddtlNtryInf"))
    return StatedEntry(
        booked_on=booked_on,
        amount_minor=sign * _minor(amount, booked_on),
        currency=amount.get("Ccy", ""),
        text=" ".join(part for part in (text.strip() for text in texts) if part)[:TEXT_CHARACTERS_MAX],
        payer=payer[:NAME_CHARACTERS_MAX],
        payer_account="" if related is None else _text(related, "DbtrAcct", "Id", "IBAN"),
        account=account,
        bank_reference=_text(details, "Refs", "AcctSvcrRef") or reference,
    )


def _amount_of(details: Element) -> Element | None:
    own = _first(details, "Amt")
    if own is not None:
        return own
    for name in ("TxAmt", "InstdAmt"):
        for group in _all(details, name):
            return _first(group, "Amt")
    return None


def _minor(amount: Element, booked_on: date) -> int:
    currency = amount.get("Ccy", "")
    try:
        exact = Decimal((amount.text or "").strip())
        if _CURRENCY.fullmatch(currency) and exact.is_finite() and exact >= 0 and is_whole_minor(exact, currency):
            return round_to_minor(exact, currency)
    except (InvalidOperation, LookupError):
        pass  # it is refused below
    raise StatementError(f"The entry booked on {booked_on} is over {amount.text} {currency}: no amount.")


def _day(entry: Element) -> date:
    text = _text(entry, "BookgDt", "Dt") or _text(entry, "BookgDt", "DtTm") or _text(entry, "ValDt", "Dt")
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise StatementError(f"An entry has no day: {text[:30] or 'nothing'}.") from error


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _name(child) == name)


def _first(element: Element, name: str) -> Element | None:
    return next(_children(element, name), None)


def _all(element: Element, name: str) -> Iterator[Element]:
    return (one for one in element.iter() if _name(one) == name)


def _text(element: Element, *path: str) -> str:
    """Return the text at a path of names; empty without one."""
    found: Element | None = element
    for name in path:
        found = None if found is None else _first(found, name)
    return "" if found is None or len(found) else (found.text or "").strip()
