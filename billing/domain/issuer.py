"""What the issuer has to be, so that an invoice can be issued in its name."""

import re
from collections.abc import Mapping
from typing import Final

from accounts.domain.tax_ids import clean_tax_id, is_tax_id
from accounts.domain.tenant_settings import is_time_zone
from accounts.errors import FieldError, InvalidFieldsError
from billing.domain.documents import STATEMENT_PREFIX

_PREFIX: Final = re.compile(r"[A-Z][A-Z0-9-]{0,9}", re.ASCII)


def check_issuer(settings: Mapping[str, object]) -> None:
    """Check the settings that numbers and days depend on. Raises `InvalidFieldsError` that names each field."""
    refusals = []
    if not is_time_zone(str(settings["time_zone"])):
        refusals.append(
            FieldError("/time_zone", "invalid_time_zone", "A time zone of the IANA list, such as Europe/Berlin.")
        )
    refusals += [
        FieldError(f"/{name}", "invalid_prefix", "Capitals, digits and hyphens, beginning with a letter.")
        for name in ("invoice_prefix", "credit_note_prefix")
        if not _PREFIX.fullmatch(str(settings[name]))
    ]
    if settings["invoice_prefix"] == settings["credit_note_prefix"]:
        detail = "Credit notes need a prefix of their own."
        refusals.append(FieldError("/credit_note_prefix", "same_prefix", detail))
    if STATEMENT_PREFIX in {settings["invoice_prefix"], settings["credit_note_prefix"]}:
        detail = f"{STATEMENT_PREFIX} is the prefix of usage statements."
        refusals.append(FieldError("/invoice_prefix", "same_prefix", detail))
    country, tax_id = str(settings["country"]), str(settings["tax_id"])
    if country and tax_id and not is_tax_id(clean_tax_id(tax_id), country):
        refusals.append(FieldError("/tax_id", "invalid_tax_id", f"{tax_id} is not a tax id of {country}."))
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=tuple(refusals))
