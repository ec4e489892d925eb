"""Tax ids: each country's format, and whether the check digits are right.

The formats of the EU's member states are the Commission's (VIES, "Format of VAT numbers"); Greece writes EL. The check
digits are python-stdnum's. Countries without a row take any id of letters and digits.
"""

import re
from typing import Final

from stdnum import get_cc_module
from stdnum.ch import uid
from stdnum.no import orgnr

_EU_FORMATS: Final[dict[str, str]] = {
    "AT": r"ATU\d{8}", "BE": r"BE[01]\d{9}", "BG": r"BG\d{9,10}", "CY": r"CY\d{8}[A-Z]", "CZ": r"CZ\d{8,10}",
    "DE": r"DE\d{9}", "DK": r"DK\d{8}", "EE": r"EE\d{9}", "ES": r"ES[A-Z0-9]\d{7}[A-Z0-9]", "FI": r"FI\d{8}",
    "FR": r"FR[A-HJ-NP-Z0-9]{2}\d{9}", "GR": r"EL\d{9}", "HR": r"HR\d{11}", "HU": r"HU\d{8}",
    "IE": r"IE(?:\d[A-Z0-9+*]\d{5}[A-Z]|\d{7}[A-Z]{1,2})", "IT": r"IT\d{11}", "LT": r"LT(?:\d{9}|\d{12})",
    "LU": r"LU\d{8}",
    "LV": r"LV\d{11}", "MT": r"MT\d{8}", "NL": r"NL[A-Z0-9+*]{12}", "PL": r"PL\d{10}", "PT": r"PT\d{9}",
    "RO": r"RO\d{2,10}", "SE": r"SE\d{12}", "SI": r"SI\d{8}", "SK": r"SK\d{10}",
}  # fmt: skip
_OTHER_FORMATS: Final[dict[str, str]] = {
    "CH": r"CHE\d{9}(?:MWST|TVA|IVA|VAT)?",
    "GB": r"(?:GB|XI)(?:\d{9}|\d{12}|GD\d{3}|HA\d{3})",
    "NO": r"(?:NO)?\d{9}(?:MVA)?",
}
_FORMATS: Final = {**_EU_FORMATS, **_OTHER_FORMATS}
_ANY: Final = re.compile(r"[A-Z0-9+*]{4,50}", re.ASCII)
_SEPARATORS: Final = re.compile(r"[\s.\-/]")
_ALL_ZEROS: Final = re.compile(r"\D*0+\D*")
# Which country's value added tax holds in a territory that ISO 3166-1 lists by itself: Monaco by article 7 of Directive
# 2006/112/EC, the Isle of Man by the Value Added Tax Act 1994, Liechtenstein by its treaty with Switzerland of 1994.
_TERRITORIES: Final = {"IM": "GB", "LI": "CH", "MC": "FR"}
_CHECKS: Final = {country: get_cc_module(country.lower(), "vat") for country in (*_EU_FORMATS, "GB")}
EU: Final = frozenset(_EU_FORMATS)


def tax_country(country: str) -> str:
    """Return the country whose value added tax holds in `country`: its own, but for a few territories."""
    return _TERRITORIES.get(country, country)


def clean_tax_id(text: str) -> str:
    """Return the id in its one spelling: capitals, without separators."""
    return _SEPARATORS.sub("", text).upper()


def is_tax_id(text: str, country: str) -> bool:
    """Return whether `text`, in its one spelling, is a tax id of the country, check digits included."""
    country = tax_country(country)
    pattern = _FORMATS.get(country)
    if pattern is None:
        return _ANY.fullmatch(text) is not None
    if re.fullmatch(pattern, text, re.ASCII) is None or _ALL_ZEROS.fullmatch(text):
        return False
    digits = text[3:12] if country == "CH" else re.sub(r"\D", "", text)
    if country == "CH":
        return uid.is_valid(f"CHE{digits}")
    if country == "NO":
        return orgnr.is_valid(digits)
    check = _CHECKS[country]
    assert check is not None, "python-stdnum knows each of these countries"
    return bool(check.is_valid(text))
