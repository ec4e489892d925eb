"""The seller's tax settings: the only writer of rates and registrations, and of staff's confirmation of the rules.

A rate of finalized invoices is never edited: a change is a new row with its first day.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.domain.tax_ids import clean_tax_id, is_tax_id
from accounts.domain.tenant_settings import COUNTRIES
from accounts.errors import ConflictError, FieldError, InvalidFieldsError
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.changes import differing, update_changed
from billing.domain.tax import TaxCategory
from billing.models import Issuer, TaxRate, TaxRegistration
from billing.selectors.taxes import number_with_rate

PERCENT_MAX = 100
Row = TypeVar("Row", TaxRate, TaxRegistration)
_RATE_FIELDS = ("country", "name", "percent", "valid_from", "category", "reason")
_REGISTRATION_FIELDS = ("country", "scheme", "tax_id", "valid_from", "valid_until")


def save_tax_rate(*, rate: TaxRate | None, changes: Mapping[str, object], actor: Actor, as_of: datetime) -> TaxRate:
    """Add a rate, or change one that no finalized invoice has.

    Raises `InvalidFieldsError`, and `ConflictError` if an invoice has it, or the country has a row from that day on.
    """
    with transaction.atomic():
        current = TaxRate() if rate is None else TaxRate.objects.select_for_update().get(pk=rate.pk)
        wanted = {name: getattr(current, name) for name in _RATE_FIELDS} | dict(changes)
        _check_rate(wanted)
        if rate is not None and differing(current, wanted):
            _check_unused(current)
        return _write(current, wanted, "taxrate", actor, as_of)


def delete_tax_rate(*, rate: TaxRate, actor: Actor, as_of: datetime) -> None:
    """Delete a rate that no finalized invoice has. Raises `ConflictError`."""
    with transaction.atomic():
        current = TaxRate.objects.select_for_update().get(pk=rate.pk)
        _check_unused(current)
        _delete(current, "taxrate", actor, as_of)


def save_tax_registration(
    *, registration: TaxRegistration | None, changes: Mapping[str, object], actor: Actor, as_of: datetime
) -> TaxRegistration:
    """Add or change a registration of the seller; finalized invoices keep their tax.

    Raises `InvalidFieldsError`, `ConflictError`.
    """
    with transaction.atomic():
        current = (
            TaxRegistration()
            if registration is None
            else TaxRegistration.objects.select_for_update().get(pk=registration.pk)
        )
        wanted = {name: getattr(current, name) for name in _REGISTRATION_FIELDS} | dict(changes)
        wanted["tax_id"] = clean_tax_id(str(wanted["tax_id"]))
        _check_registration(wanted)
        return _write(current, wanted, "taxregistration", actor, as_of)


def delete_tax_registration(*, registration: TaxRegistration, actor: Actor, as_of: datetime) -> None:
    """Delete a registration that was entered by mistake; one that ended has its last day instead."""
    with transaction.atomic():
        current = TaxRegistration.objects.select_for_update().get(pk=registration.pk)
        _delete(current, "taxregistration", actor, as_of)


def confirm_tax_rules(*, actor: Actor, as_of: datetime) -> Issuer:
    """Record that staff have read the tax rules, for the country of the seller.

    Raises `ConflictError` if the seller has no country.
    """
    with transaction.atomic():
        issuer = Issuer.objects.select_for_update().get(pk=1)
        if not issuer.country:
            raise ConflictError("Fill in the country first. The tax rules depend on it.")
        changes = {
            "tax_rules_confirmed_country": issuer.country,
            "tax_rules_confirmed_by": actor.label,
            "tax_rules_confirmed_at": as_of,
        }
        Issuer.objects.filter(pk=1).update(**changes)
        record_audit(
            actor=actor,
            action="issuer.tax_rules_confirmed",
            tenant_id=None,
            target=AuditTarget("issuer", issuer.pk, str(issuer)),
            after={"country": issuer.country},
            as_of=as_of,
        )
    issuer.refresh_from_db()
    return issuer


def is_tax_id_of_seller(tax_id: str, country: str) -> bool:
    """Return whether a registration may have this tax id; the one-stop shop has numbers of its own (EU372001951)."""
    cleaned = clean_tax_id(tax_id)
    return is_tax_id(cleaned, country) or re.fullmatch(r"(?:EU|IM)\d{9,10}", cleaned, re.ASCII) is not None


def _check_rate(wanted: Mapping[str, object]) -> None:
    refusals = []
    percent, category = wanted["percent"], wanted["category"]
    if wanted["country"] not in COUNTRIES:
        refusals.append(FieldError("/country", "invalid_country", "A country of ISO 3166-1 in two letters."))
    if not isinstance(percent, Decimal) or not (percent.is_finite() and 0 <= percent <= PERCENT_MAX):
        refusals.append(FieldError("/percent", "invalid_tax_percent", "0 to 100 percent."))
    elif (category == TaxCategory.STANDARD) != (percent > 0):
        detail = "A rate of 0 % needs the category zero-rated or exempt; any other rate needs a taxed category."
        refusals.append(FieldError("/category", "invalid_tax_category", detail))
    elif percent == 0 and not str(wanted["reason"]).strip():
        refusals.append(FieldError("/reason", "required", "Say why it is 0 %: it is printed on invoices."))
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=tuple(refusals))


def _check_registration(wanted: Mapping[str, object]) -> None:
    refusals = []
    country, tax_id = str(wanted["country"]), str(wanted["tax_id"])
    since, until = wanted["valid_from"], wanted["valid_until"]
    if country not in COUNTRIES:
        refusals.append(FieldError("/country", "invalid_country", "A country of ISO 3166-1 in two letters."))
    if tax_id and not is_tax_id_of_seller(tax_id, country):
        refusals.append(FieldError("/tax_id", "invalid_tax_id", f"{tax_id} is not a tax id of {country}."))
    if since is not None and until is not None and until < since:  # type: ignore[operator]  # two days
        refusals.append(FieldError("/valid_until", "invalid_valid_until", "It ends after it begins."))
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=tuple(refusals))


def _check_unused(rate: TaxRate) -> None:
    """Refuse to change a rate of finalized invoices."""
    number = number_with_rate(rate)
    if number is not None:
        raise ConflictError(
            f"{rate} stands on {number} and stays as it is: add a row with the day from which another rate holds."
        )


def _write(row: Row, wanted: Mapping[str, object], kind: str, actor: Actor, as_of: datetime) -> Row:
    """Store a new row, or the changes of a locked one, with its audit entry."""
    is_new = row.pk is None
    changed = differing(row, wanted)
    if not is_new and not changed:
        return row
    try:
        with transaction.atomic():
            if is_new:
                row = type(row)._default_manager.create(**wanted)  # noqa: SLF001 - Django documents it
            else:
                update_changed(row, changed)
    except IntegrityError as error:
        raise ConflictError("A row for this country already begins on the same day.") from error
    record_audit(
        actor=actor,
        action=f"{kind}.{'created' if is_new else 'changed'}",
        tenant_id=None,
        target=AuditTarget(kind, row.pk, str(row)),
        before={} if is_new else changed.before,
        after=wanted if is_new else changed.after,
        as_of=as_of,
    )
    return row


def _delete(row: TaxRate | TaxRegistration, kind: str, actor: Actor, as_of: datetime) -> None:
    record_audit(
        actor=actor,
        action=f"{kind}.deleted",
        tenant_id=None,
        target=AuditTarget(kind, row.pk, str(row)),
        before={"name": str(row)},
        as_of=as_of,
    )
    row.delete()
