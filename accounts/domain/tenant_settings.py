"""What a tenant may set, and which values are taken. The codes are ISO's, as they stand in 2026."""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from zoneinfo import available_timezones

from accounts.domain.texts import line_problem
from accounts.errors import FieldError, InvalidFieldsError

BACKFILL_DAYS: Final = range(1, 401)
LINES: Final[dict[str, int]] = {
    "name": 120,
    "legal_name": 200,
    "address_line1": 200,
    "address_line2": 200,
    "postal_code": 20,
    "city": 100,
    "region": 100,
}
SETTINGS: Final = frozenset(LINES) | {"time_zone", "currency", "billing_email", "country", "tax_id", "backfill_days"}

CURRENCIES: Final = frozenset(
    """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY
    COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR
    ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK
    MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF
    SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS
    VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG""".split()  # noqa: SIM905 - a list of 153 strings would fill two pages
)
COUNTRIES: Final = frozenset(
    """AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW""".split()  # noqa: SIM905 - as above
)
# VAT numbers of the EU's member states, by country (Commission's VIES, "Format of VAT numbers"); Greece writes EL.
VAT_NUMBERS: Final[dict[str, str]] = {
    "AT": r"ATU\d{8}", "BE": r"BE[01]\d{9}", "BG": r"BG\d{9,10}", "CY": r"CY\d{8}[A-Z]", "CZ": r"CZ\d{8,10}",
    "DE": r"DE\d{9}", "DK": r"DK\d{8}", "EE": r"EE\d{9}", "ES": r"ES[A-Z0-9]\d{7}[A-Z0-9]", "FI": r"FI\d{8}",
    "FR": r"FR[A-HJ-NP-Z0-9]{2}\d{9}", "GR": r"EL\d{9}", "HR": r"HR\d{11}", "HU": r"HU\d{8}",
    "IE": r"IE(?:\d[A-Z0-9+*]\d{5}[A-Z]|\d{7}[A-Z]{1,2})", "IT": r"IT\d{11}", "LT": r"LT(?:\d{9}|\d{12})",
    "LU": r"LU\d{8}",
    "LV": r"LV\d{11}", "MT": r"MT\d{8}", "NL": r"NL[A-Z0-9+*]{12}", "PL": r"PL\d{10}", "PT": r"PT\d{9}",
    "RO": r"RO\d{2,10}", "SE": r"SE\d{12}", "SI": r"SI\d{8}", "SK": r"SK\d{10}",
}  # fmt: skip
_TAX_ID: Final = re.compile(r"[A-Z0-9+*]{4,50}", re.ASCII)
_TAX_ID_SEPARATORS: Final = re.compile(r"[\s.\-/]")
_EMAIL: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+", re.ASCII
)
_EMAIL_CHARACTERS_MAX: Final = 254


def clean_settings(given: Mapping[str, object], *, country: str = "") -> dict[str, str | int]:
    """Return the settings trimmed and in their one spelling; `country` is the tenant's, where none is given.

    Raises `InvalidFieldsError`, which names every refused field.
    """
    assert set(given) <= SETTINGS, f"no settings: {set(given) - SETTINGS}"
    cleaned = {name: _clean(name, value) for name, value in given.items()}
    refused = tuple(_refusals(cleaned, str(cleaned.get("country", country))))
    if refused:
        raise InvalidFieldsError(refused[0].detail, field_errors=refused)
    return cleaned


def _clean(name: str, value: object) -> str | int:
    if name == "backfill_days":
        assert isinstance(value, int), "a number of days"
        return value
    text = str(value).strip()
    if name in {"currency", "country"}:
        return text.upper()
    return _TAX_ID_SEPARATORS.sub("", text).upper() if name == "tax_id" else text


def _refusals(settings: Mapping[str, str | int], country: str) -> Iterator[FieldError]:
    for name, value in settings.items():
        pointer = f"/{name}"
        if name in LINES:
            problem = line_problem(str(value), pointer=pointer, characters_max=LINES[name], is_required=name == "name")
            if problem is not None:
                yield problem
        elif name == "tax_id":
            if value and not _is_tax_id(str(value), country):
                yield FieldError(pointer, "invalid_tax_id", "Not a tax id of this country.")
        elif not _is_taken(name, value):
            yield FieldError(pointer, f"invalid_{name}", _EXPLANATIONS[name])


_EXPLANATIONS: Final = {
    "time_zone": "An IANA time zone, such as Europe/Brussels.",
    "currency": "A currency of ISO 4217, such as EUR.",
    "country": "A country of ISO 3166-1 in two letters, such as BE.",
    "billing_email": "An e-mail address.",
    "backfill_days": f"{BACKFILL_DAYS.start} to {BACKFILL_DAYS.stop - 1} days.",
}


def _is_taken(name: str, value: str | int) -> bool:
    if name == "backfill_days":
        return value in BACKFILL_DAYS
    text = str(value)
    if name == "time_zone":
        return is_time_zone(text)
    if name == "currency":
        return text in CURRENCIES
    if name == "country":
        return not text or text in COUNTRIES
    return not text or is_email(text)


def is_time_zone(name: str) -> bool:
    """Tell whether `name` is a zone of the IANA database that names a place or an offset."""
    return name in available_timezones() and name not in {"Factory", "localtime"}


def is_email(text: str) -> bool:
    """Tell whether `text` looks like an address to which mail can be sent; whether it arrives is for a code to show."""
    return len(text) <= _EMAIL_CHARACTERS_MAX and _EMAIL.fullmatch(text) is not None


def _is_tax_id(text: str, country: str) -> bool:
    pattern = VAT_NUMBERS.get(country)
    if pattern is not None:
        return re.fullmatch(pattern, text, re.ASCII) is not None
    return _TAX_ID.fullmatch(text) is not None
