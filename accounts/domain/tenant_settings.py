"""The settings of a tenant and their valid values. The codes are ISO's of 2026."""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from zoneinfo import available_timezones

from accounts.domain.tax_ids import clean_tax_id, is_tax_id
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
_TOGETHER: Final = ("country", "tax_id")
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
_EMAIL: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+", re.ASCII
)
_EMAIL_CHARACTERS_MAX: Final = 254


def clean_settings(given: Mapping[str, object], *, stored: Mapping[str, object] | None = None) -> dict[str, str | int]:
    """Return the settings trimmed and in their one spelling; `stored` are the tenant's own, for what is not given.

    Country and tax id are valid together, so they are checked together whenever one of them changes. Raises
    `InvalidFieldsError`, which names every refused field.
    """
    assert set(given) <= SETTINGS, f"no settings: {set(given) - SETTINGS}"
    cleaned = {name: _clean(name, value) for name, value in given.items()}
    known = {name: str((stored or {}).get(name, "")) for name in _TOGETHER}
    pair = {name: str(cleaned.get(name, known[name])) for name in _TOGETHER}
    refused = [*_refusals(cleaned)]
    if pair["tax_id"] and pair != known and not is_tax_id(pair["tax_id"], pair["country"]):
        detail = f"{pair['tax_id'][:50]} is not a tax id of {pair['country'] or 'any country'}."
        refused.append(FieldError("/tax_id", "invalid_tax_id", detail))
    if refused:
        raise InvalidFieldsError(refused[0].detail, field_errors=tuple(refused))
    return cleaned


def _clean(name: str, value: object) -> str | int:
    if name == "backfill_days":
        assert isinstance(value, int), "a number of days"
        return value
    text = str(value).strip()
    if name in {"currency", "country"}:
        return text.upper()
    return clean_tax_id(text) if name == "tax_id" else text


def _refusals(settings: Mapping[str, str | int]) -> Iterator[FieldError]:
    for name, value in settings.items():
        pointer = f"/{name}"
        if name in LINES:
            problem = line_problem(str(value), pointer=pointer, characters_max=LINES[name], is_required=name == "name")
            if problem is not None:
                yield problem
        elif name != "tax_id" and not _is_taken(name, value):
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
    """Return whether `name` is a zone of the IANA database that names a place or an offset."""
    return name in available_timezones() and name not in {"Factory", "localtime"}


def is_email(text: str) -> bool:
    """Return whether `text` looks like an e-mail address. Only a code by mail shows whether mail arrives."""
    return len(text) <= _EMAIL_CHARACTERS_MAX and _EMAIL.fullmatch(text) is not None
