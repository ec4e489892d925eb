#!/usr/bin/env python3
"""Verify the evidence of an invoice: compute every amount again, and prove each event, without the seller's software.

    python verify_invoice.py INV-2026-000042-evidence.json [the evidence of another invoice] [--keys FILE] [--key ID]

It needs Python 3.9 or newer, and nothing else; it opens no connection. `docs/algorithms/evidence.md` says what it
checks, and what no file can prove. It exits with 0 if all was proved that the file can prove, 1 if something
contradicts it, 2 if something is missing or cannot be read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]
FORM: Final = "countinghouse evidence v1"
ZEROS: Final = "0" * 64
EXACT: Final = Context(prec=4000, rounding=ROUND_HALF_UP)
NOTHING: Final = Decimal(0)
NINE_PLACES: Final = Decimal("1E-9")
LASTS_MOST: Final = 35 * 86_400 * 1_000_000  # microseconds that a level lasts if it is not reported again
KNOWN_BEFORE, KNOWN_AFTER = -15 * 60 * 1_000_000, 60 * 60 * 1_000_000  # what may come while an invoice is computed
EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
NUMERIC: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,9})?", re.ASCII)
HEX: Final = re.compile(r"([0-9a-f]{2})*", re.ASCII)
NO_DIGITS: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()  # noqa: SIM905
THREE_DIGITS: Final = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
DIGITS: Final = {**dict.fromkeys(NO_DIGITS, 0), **dict.fromkeys(THREE_DIGITS, 3), "CLF": 4, "UYW": 4}


class UnreadableError(Exception):
    """The file is no evidence in the form of the page."""


class Report:
    """What was found: contradictions, what this file does not prove, and what no such file proves."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.open: list[str] = []
        self.limits: list[str] = []
        self.about = ""  # which of several files

    def lack(self, text: str) -> None:
        """Note what this file should prove and does not."""
        self.open.append(f"{self.about}{text}")

    def limit(self, text: str) -> None:
        """Note what such a file alone does not prove."""
        self.limits.append(f"{self.about}{text}")

    def check(self, *, holds: bool, at: str, says: str) -> bool:
        """Note a contradiction unless it holds, and return whether it does."""
        if not holds:
            self.wrong.append(f"{self.about}{at}: {says}")
        return holds

    def same(self, said: object, follows: object, at: str, name: str) -> bool:
        """Note a contradiction unless what is said is what follows."""
        return self.check(holds=said == follows, at=at, says=f"{name} is {said}, and {follows} follows")


# Ed25519, RFC 8032 section 5.1: points as (X, Y, Z, T).

PRIME: Final = 2**255 - 19
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
CURVE: Final = -121665 * pow(121666, PRIME - 2, PRIME) % PRIME
ROOT_OF_MINUS_ONE: Final = pow(2, (PRIME - 1) // 4, PRIME)
Point = tuple[int, int, int, int]


def point_of(y: int, sign: int) -> Point | None:
    """Return the point with this y and the lowest bit of x; None if the curve has none."""
    if y >= PRIME:
        return None
    square = (y * y - 1) * pow(CURVE * y * y + 1, PRIME - 2, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * ROOT_OF_MINUS_ONE % PRIME
    if (x * x - square) % PRIME or (not x and sign):
        return None
    x = PRIME - x if x & 1 != sign else x
    return (x, y, 1, x * y % PRIME)


def added(one: Point, other: Point) -> Point:
    """Return the sum of two points."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % PRIME
    b = (one[1] + one[0]) * (other[1] + other[0]) % PRIME
    c = 2 * one[3] * other[3] * CURVE % PRIME
    d = 2 * one[2] * other[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME)


def times(number: int, point: Point) -> Point:
    """Return a multiple of a point."""
    total: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = added(total, point)
        point, number = added(point, point), number >> 1
    return total


BASE: Final = point_of(4 * pow(5, PRIME - 2, PRIME) % PRIME, 0)


def decoded_point(encoded: bytes) -> Point | None:
    """Return the point of its 32 bytes; None if there is none."""
    number = int.from_bytes(encoded, "little")
    return point_of(number & (2**255 - 1), number >> 255)


def is_signed(public_key: bytes, text: bytes, signature: bytes) -> bool:
    """Return whether the signature is this key's, of this text."""
    if len(public_key) != 32 or len(signature) != 64:  # noqa: PLR2004 - of RFC 8032
        return False
    key, commitment = decoded_point(public_key), decoded_point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or BASE is None or scalar >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public_key + text).digest(), "little") % ORDER
    left, right = times(scalar, BASE), added(commitment, times(challenge, key))
    return not ((left[0] * right[2] - right[0] * left[2]) % PRIME or (left[1] * right[2] - right[1] * left[2]) % PRIME)


# Merkle trees, RFC 6962 section 2.1.


def leaf_hash(content: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_by_path(leaf: bytes, index: int, leaves: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root to which a path leads; None if no path in a tree of so many leaves has its length."""
    if not 0 <= index < leaves:
        return None
    found, siblings, width = leaf, list(path)[::-1], leaves
    while width > 1:
        if index ^ 1 < width:
            if not siblings:
                return None
            sibling = siblings.pop()
            found = node_hash(sibling, found) if index & 1 else node_hash(found, sibling)
        index, width = index >> 1, (width + 1) >> 1
    return None if siblings else found


# Forms.


def one_form(value: object) -> bytes:
    """Return the one JSON text of a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def digest_of(value: object) -> str:
    """Return the SHA-256 of a value in its one form."""
    return hashlib.sha256(one_form(value)).hexdigest()


def signed_text(*lines: str) -> bytes:
    """Return lines, each ended by a line feed."""
    return "".join(f"{line}\n" for line in lines).encode()


def from_hex(text: object, size: int) -> bytes:
    """Return so many bytes of their hexadecimal digits."""
    if not isinstance(text, str) or not HEX.fullmatch(text) or len(text) != 2 * size:
        raise UnreadableError(f"{str(text)[:80]!r} is not {size} bytes in hexadecimal digits")
    return bytes.fromhex(text)


def micros(instant: str) -> int:
    """Return an instant as microseconds since 1970."""
    return (datetime.fromisoformat(instant.replace("Z", "+00:00")) - EPOCH) // timedelta(microseconds=1)


def day_of(at: int) -> date:
    """Return the day of UTC of microseconds since 1970."""
    return (EPOCH + timedelta(microseconds=at)).date()


def plain(number: Decimal) -> str:
    """Return a decimal without exponent and trailing zeros."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def counted(number: int) -> str:
    """Return a number as people read it."""
    return f"{number:,}"


def money(minor: int, currency: str) -> str:
    """Return minor units as people read them."""
    digits = DIGITS.get(currency, 2)
    return f"{currency} {Decimal(minor).scaleb(-digits):,.{digits}f}"


def rounded(exact: Decimal, currency: str) -> int:
    """Return an exact amount as minor units, half-up, away from zero."""
    return int(exact.scaleb(DIGITS.get(currency, 2), EXACT).quantize(Decimal(1), ROUND_HALF_UP, EXACT))


def total_of(numbers: Iterable[Decimal]) -> Decimal:
    """Return an exact sum."""
    total = NOTHING
    for number in numbers:
        total = EXACT.add(total, number)
    return total


# Formulas: a part of CEL; None is what cannot be computed.

TOKEN: Final = re.compile(
    r"""\s*(?:(?P<number>[0-9]{1,20}(?:\.[0-9]{1,9})?)|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"""|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>\|\||&&|[=!<>]=|[-+*/%<>!?:(),\[\]]))"""
)
Part = tuple[Any, ...]


class Formula:
    """A formula, read once and computed for each event."""

    def __init__(self, text: str) -> None:
        self.tokens = self._tokens(text)
        self.at = 0
        self.root = self._choice()
        if self.at < len(self.tokens):
            raise UnreadableError(f"the formula {text!r} cannot be read")

    @staticmethod
    def _tokens(text: str) -> list[tuple[str, str]]:
        tokens, at, text = [], 0, text.rstrip()
        while at < len(text):
            match = TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise UnreadableError(f"the formula {text!r} cannot be read")
            tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        return tokens

    def _takes(self, *signs: str) -> str:
        """Return the next token if it is one of these, and go on; else an empty text."""
        if self.at < len(self.tokens) and self.tokens[self.at][1] in signs and self.tokens[self.at][0] != "text":
            self.at += 1
            return self.tokens[self.at - 1][1]
        return ""

    def _must(self, sign: str) -> None:
        if not self._takes(sign):
            raise UnreadableError(f"a formula lacks {sign}")

    def _choice(self) -> Part:
        part = self._joined(0)
        if not self._takes("?"):
            return part
        then = self._choice()
        self._must(":")
        return ("choice", part, then, self._choice())

    def _joined(self, level: int) -> Part:
        if level == 2:  # noqa: PLR2004 - below || and &&
            return self._compared()
        part = self._joined(level + 1)
        while self._takes(("||", "&&")[level]):
            part = ("both" if level else "either", part, self._joined(level + 1))
        return part

    def _compared(self) -> Part:
        part = self._sum()
        sign = self._takes("==", "!=", "<", "<=", ">", ">=", "in")
        if sign == "in":
            self._must("[")
            texts = [self._sum()[1]]
            while self._takes(","):
                texts.append(self._sum()[1])
            self._must("]")
            return ("among", part[1], texts)
        if not sign:
            return part
        other = self._sum()
        for one, wanted in ((part, other), (other, part)):
            if wanted[0] in {"text", "truth"}:
                among: Part = ("among", one[1], [wanted[1]])
                return among if sign == "==" else ("not", among)
        return ("compare", sign, part, other)

    def _sum(self) -> Part:
        part = self._product()
        while sign := self._takes("+", "-"):
            part = (sign, part, self._product())
        return part

    def _product(self) -> Part:
        part = self._unary()
        while sign := self._takes("*", "/", "%"):
            part = (sign, part, self._unary())
        return part

    def _unary(self) -> Part:
        if self._takes("-"):
            return ("negated", self._unary())
        if self._takes("!"):
            return ("not", self._unary())
        return self._atom()

    def _atom(self) -> Part:
        if self._takes("("):
            part = self._choice()
            self._must(")")
            return part
        if self.at >= len(self.tokens):
            raise UnreadableError("a formula ends too early")
        kind, token = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return ("number", Decimal(token))
        if kind == "text":
            return ("text", re.sub(r"\\(.)", r"\1", token[1:-1]))
        if kind != "name":
            raise UnreadableError(f"a formula has {token} in a wrong place")
        return self._named(token)

    def _named(self, token: str) -> Part:
        if token in {"true", "false"}:
            return ("truth", token)
        if self._takes("["):
            name = self._atom()[1]
            self._must("]")
            return ("property", name)
        if self._takes("("):
            return ("call", token, self._arguments())
        return ("quantity",) if token == "quantity" else ("property", token)  # noqa: S105 - a name

    def _arguments(self) -> list[Part]:
        arguments: list[Part] = []
        if self._takes(")"):
            return arguments
        arguments.append(self._choice())
        while self._takes(","):
            arguments.append(self._choice())
        self._must(")")
        return arguments

    def value(self, quantity: Decimal, properties: Json) -> Decimal | None:
        """Return what an event brings: 9 digits after the point, 0 or more; None if it cannot be computed."""
        found = number_part(self.root, quantity, properties)
        if found is None:
            return None
        found = found.quantize(NINE_PLACES, ROUND_HALF_UP, EXACT)
        return None if found >= 10**20 else max(found, NOTHING)


def number_part(part: Part, quantity: Decimal, properties: Json) -> Decimal | None:  # noqa: PLR0911 - a line each
    """Return the number of a part of a formula."""
    kind = part[0]
    if kind == "number":
        number: Decimal = part[1]
        return number
    if kind == "quantity":
        return quantity
    if kind == "property":
        return signed_number(properties.get(part[1]))
    if kind == "choice":
        holds = truth_part(part[1], quantity, properties)
        return None if holds is None else number_part(part[2 if holds else 3], quantity, properties)
    given = part[2] if kind == "call" else part[1:]
    numbers = [number_part(one, quantity, properties) for one in given]
    known = [one for one in numbers if one is not None]
    if len(known) < len(numbers):
        return None
    if kind == "negated":
        return known[0].copy_negate()
    if kind == "call":
        return function_of(part[1], known)
    return arithmetic(kind, *known)


def function_of(name: str, numbers: list[Decimal]) -> Decimal:
    """Return the value of a function of numbers."""
    first = numbers[0]
    if name == "round":
        places = int(numbers[1]) if len(numbers) > 1 else 0
        return first.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, EXACT)
    functions: dict[str, Callable[[], Decimal]] = {
        "abs": first.copy_abs,
        "ceil": lambda: first.to_integral_value(ROUND_CEILING),
        "floor": lambda: first.to_integral_value(ROUND_FLOOR),
        "min": lambda: min(numbers),
        "max": lambda: max(numbers),
    }
    return functions[name]()


def arithmetic(sign: str, left: Decimal, right: Decimal) -> Decimal | None:
    """Return what is computed of two numbers; a quotient is cut after 30 digits, and nothing is divided by 0."""
    if sign in "/%" and not right:
        return None
    if sign == "/":
        return EXACT.divide_int(left.scaleb(30, EXACT), right).scaleb(-30, EXACT)
    computed = {"+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply, "%": EXACT.remainder}
    return computed[sign](left, right)


def truth_part(part: Part, quantity: Decimal, properties: Json) -> bool | None:
    """Return whether a condition of a formula holds."""
    kind = part[0]
    if kind == "property":
        return {"true": True, "false": False}.get(text_in(properties.get(part[1])) or "")
    if kind == "among":
        return text_in(properties.get(part[1])) in part[2]
    if kind == "call" and part[1] == "has":
        return properties.get(part[2][0][1]) is not None
    if kind == "not":
        holds = truth_part(part[1], quantity, properties)
        return None if holds is None else not holds
    if kind == "compare":
        left, right = (number_part(one, quantity, properties) for one in part[2:])
        return None if left is None or right is None else compared(part[1], left, right)
    decides = {"either": True, "both": False}[kind]
    found = {truth_part(one, quantity, properties) for one in part[1:]}
    return decides if decides in found else None if None in found else not decides


def compared(sign: str, left: Decimal, right: Decimal) -> bool:
    """Return whether a comparison of two numbers holds."""
    is_less, is_equal = left < right, left == right
    return {
        "==": is_equal, "!=": not is_equal, "<": is_less, "<=": is_less or is_equal,
        ">": not is_less and not is_equal, ">=": not is_less,
    }[sign]  # fmt: skip


# Events.


def text_in(value: object) -> str | None:
    """Return a property as text; None for null and for an absent one."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def signed_number(value: object) -> Decimal | None:
    """Return the number in a property, or in its text; None if there is none."""
    if isinstance(value, str):
        return Decimal(value) if NUMERIC.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    return Decimal(value)


def passes(filters: Json, properties: Json) -> bool:
    """Return whether properties pass the filters of a meter."""
    for name, accepted in filters.items():
        value = properties.get(name)
        text, number = text_in(value), signed_number(value)
        wanted: Json = {"in": accepted} if isinstance(accepted, list) else accepted
        if "in" in wanted and text not in wanted["in"]:
            return False
        if "not_in" in wanted and text in wanted["not_in"]:
            return False
        if "exists" in wanted and wanted["exists"] != (text is not None):
            return False
        for bound, sign in (("gt", ">"), ("gte", ">="), ("lt", "<"), ("lte", "<=")):
            if bound in wanted and (number is None or not compared(sign, number, Decimal(wanted[bound]))):
                return False
    return True


class Event:
    """An event as its leaf has it."""

    def __init__(self, content: str) -> None:
        fields = json.loads(content, parse_float=Decimal, object_pairs_hook=without_doubles)
        if not isinstance(fields, list) or len(fields) != 11 or fields[0] != "event":  # noqa: PLR2004 - as the page says
            raise UnreadableError(f"{content[:60]!r} is not an event")
        _, self.key, self.id, self.source, self.type, self.occurred, quantity, self.subject, _, self.received, _ = (
            fields
        )
        self.quantity, self.properties = Decimal(quantity), fields[10]

    @property
    def own_key(self) -> str:
        """Return the key that follows from source and id."""
        source = self.source.encode()
        return hashlib.sha256(len(source).to_bytes(4, "big") + source + self.id.encode()).hexdigest()[:32]


class Version:
    """One version of a meter."""

    def __init__(self, given: Json) -> None:
        self.number: int = given["version"]
        self.begins = None if given["begins"] is None else micros(given["begins"])
        self.ends = None if given["ends"] is None else micros(given["ends"])
        self.type, self.kind, self.property = given["event_type"], given["aggregation"], given["value_property"]
        self.dimensions, self.filters = given["dimensions"], given["filters"]
        self.formula = Formula(given["formula"]) if given["formula"] else None

    def holds_at(self, at: int) -> bool:
        """Return whether it counts what occurs then."""
        return (self.begins is None or self.begins <= at) and (self.ends is None or at < self.ends)

    def value(self, event: Event) -> Decimal | None:
        """Return what an event brings; None if there is nothing to measure."""
        if self.kind == "count":
            return Decimal(1)
        if self.formula is not None:
            number = self.formula.value(event.quantity, event.properties)
        elif self.property:
            number = signed_number(event.properties.get(self.property))
        else:
            number = event.quantity
        number = None if number is None else max(number, NOTHING)
        return NOTHING if number is None and self.kind == "sum" else number


class Meter:
    """A meter with its versions."""

    def __init__(self, given: Json) -> None:
        self.code, self.counts_from = given["code"], micros(given["counts_from"])
        self.versions = [Version(one) for one in given["versions"]]
        self.lasts = self.versions[0].kind == "time_weighted"

    def why_not(self, event: Event, start: int, end: int, known: int) -> str:
        """Return why a line does not count an event; empty if it does."""
        back = LASTS_MOST if self.lasts else 0
        if not start - back <= event.occurred < end:
            return "did not occur in the line's period"
        if event.received >= known:
            return "was received after the line was computed"
        if event.received < self.counts_from:
            return "was received before the meter began to count"
        version = self.version_of(event)
        if version is None or version.type != event.type:
            return "is of a type that the meter does not count"
        if not passes(version.filters, event.properties):
            return "does not pass the meter's filters"
        return "" if version.value(event) is not None else "has nothing that the meter measures"

    def version_of(self, event: Event) -> Version | None:
        """Return the version that counts an event."""
        return next((one for one in self.versions if one.holds_at(event.occurred)), None)

    def quantity(self, events: Sequence[Event], start: int, end: int) -> Decimal:
        """Return the quantity of events that all count."""
        values = [(event, version.value(event)) for event in events if (version := self.version_of(event)) is not None]
        known = [(event, value) for event, value in values if value is not None]
        if self.lasts:
            return self._level_hours(known, start, end)
        return total_of(value for _, value in known).quantize(NINE_PLACES, ROUND_HALF_UP, EXACT)

    def _level_hours(self, values: Sequence[tuple[Event, Decimal]], start: int, end: int) -> Decimal:
        series = defaultdict(list)
        for event, value in values:
            names = self.versions[0].dimensions
            place = (event.subject, tuple(text_in(event.properties.get(name)) for name in names))
            series[place].append((event.occurred, value))
        lasted = NOTHING
        for levels in series.values():
            levels.sort()
            for (at, value), (following, _) in zip(levels, [*levels[1:], (end, NOTHING)]):
                micro = min(following, at + LASTS_MOST, end) - max(at, start)
                lasted = EXACT.add(lasted, EXACT.multiply(value, Decimal(max(micro, 0))))
        return EXACT.divide(lasted, Decimal(3_600_000_000)).quantize(NINE_PLACES, ROUND_HALF_UP, EXACT)


# Prices.


class Position:
    """What a billing period has had of a meter when a stretch begins."""

    def __init__(self, said: Json) -> None:
        self.units, self.period = Decimal(said["units"]), Decimal(said["period"])
        self.once, self.packaged, self.exact = (Decimal(said.get(name, 0)) for name in ("once", "packaged", "exact"))

    def said(self) -> Json:
        """Return it as an explanation has it."""
        found = {"units": plain(self.units), "period": plain(self.period)}
        return {**found, **{name: plain(n) for name in ("once", "packaged", "exact") if (n := getattr(self, name))}}


def step(quantity: Decimal, each: Decimal, flat: Decimal) -> Json:
    """Return a step of an explanation."""
    amount = EXACT.add(EXACT.multiply(quantity, each), flat)
    names = ("quantity", "unit_amount", "flat_amount", "amount")
    return dict(zip(names, map(plain, (quantity, each, flat, amount))))


def due_once(asked: Decimal, amount: Decimal, at: Position) -> Decimal:
    """Return what is still to be paid of an amount that is due once a period."""
    return max(EXACT.subtract(EXACT.add(asked, amount), max(asked, at.once)), NOTHING)


def tier_step(units: Decimal, start: Decimal, tier: Json, due: Decimal) -> Json:
    """Return the step of a tier."""
    flat = Decimal(tier["flat_amount"])
    found = step(units, Decimal(tier["unit_amount"]), due)
    up_to = tier["up_to"]
    found["tier"] = {"above": plain(start), "up_to": None if up_to is None else plain(Decimal(up_to))}
    return {**found, "flat_whole": plain(flat)} if NOTHING < due < flat else found


def tiers_of(terms: Json) -> list[tuple[Decimal, Decimal | None, Json]]:
    """Return start, end and terms of each tier."""
    ends = [None if tier["up_to"] is None else Decimal(tier["up_to"]) for tier in terms["tiers"]]
    starts = [NOTHING, *(end for end in ends if end is not None)]
    return list(zip(starts, ends, terms["tiers"]))


def steps_of(model: str, terms: Json, quantity: Decimal, at: Position) -> list[Json]:
    """Return the steps from a quantity to its exact amount."""
    if model in {"graduated", "volume"}:
        return tier_steps(model, terms, quantity, at)
    if not quantity:
        return []
    if model == "flat":
        amount = Decimal(terms["amount"])
        due = due_once(NOTHING, amount, at)
        found = step(NOTHING, NOTHING, due)
        return [found if due == amount else {**found, "flat_whole": plain(amount)}]
    if model == "per_unit":
        return [step(quantity, Decimal(terms["unit_amount"]), NOTHING)]
    if model == "package":
        size = Decimal(terms["package_size"])
        more = max(EXACT.subtract(EXACT.add(at.units, quantity), max(at.units, at.packaged)), NOTHING)
        whole, rest = EXACT.divmod(more, size)
        packages = EXACT.add(whole, Decimal(1)) if rest else whole
        return [{**step(packages, Decimal(terms["package_amount"]), NOTHING), "package_size": plain(size)}]
    raise UnreadableError(f"there is no price model {model}")


def tier_steps(model: str, terms: Json, quantity: Decimal, at: Position) -> list[Json]:
    """Return the steps of a price by tiers."""
    tiers, end = tiers_of(terms), EXACT.add(at.units, quantity)
    reached = next((start, tier) for start, to, tier in tiers if to is None or at.period <= to)
    if not quantity:
        if terms.get("charge_flat_at_zero") is not True:
            return []
        start, tier = reached if model == "volume" else (tiers[0][0], tiers[0][2])
        due = due_once(NOTHING, Decimal(tier["flat_amount"]), at)
        return [tier_step(NOTHING, start, tier, due)] if due else []
    if model == "volume":
        start, tier = reached
        return [tier_step(quantity, start, tier, due_once(NOTHING, Decimal(tier["flat_amount"]), at))]
    found, asked = [], NOTHING
    for start, to, tier in tiers:
        if end <= start:
            break
        upper = end if to is None else min(end, to)
        units, flat = max(EXACT.subtract(upper, max(start, at.units)), NOTHING), Decimal(tier["flat_amount"])
        due, asked = due_once(asked, flat, at), EXACT.add(asked, flat)
        if units or due:
            found.append(tier_step(units, start, tier, due))
    return found


def explained(model: str, terms: Json, quantity: Decimal, currency: str, at: Position | None) -> tuple[Json, int]:
    """Return the explanation of what a quantity costs, and the amount in minor units."""
    place = at or Position({"units": "0", "period": plain(quantity)})
    steps = steps_of(model, terms, quantity, place)
    exact = total_of(Decimal(one["amount"]) for one in steps)
    amount = rounded(EXACT.add(place.exact, exact), currency) - rounded(place.exact, currency)
    told = {
        "model": model,
        "quantity": plain(quantity),
        "steps": steps,
        "exact_amount": plain(exact),
        "rounding": {"mode": "half_up", "digits": DIGITS.get(currency, 2)},
    }
    return (told if at is None else {**told, "position": at.said()}), amount


# The bundle.


def without_doubles(pairs: list[tuple[str, Any]]) -> Json:
    """Return an object. Raises `UnreadableError` if a name occurs twice: two readers might see two files."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UnreadableError("a name occurs twice in one object")
    return found


def refuse_fraction(text: str) -> None:
    """Raise `UnreadableError`: a bundle has fractions as texts."""
    raise UnreadableError(f"{text[:40]} is no whole number")


def read_bundle(path: str) -> Json:
    """Return the bundle of a file. Raises `UnreadableError`."""
    try:
        text = Path(path).read_bytes().decode("ascii")
        found = json.loads(
            text, object_pairs_hook=without_doubles, parse_float=refuse_fraction, parse_constant=refuse_fraction
        )
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableError(str(error)) from error
    if not isinstance(found, dict) or found.get("format") != FORM:
        raise UnreadableError(f"its format is not {FORM!r}")
    return found


class Bundle:
    """A bundle while it is verified."""

    def __init__(self, given: Json, report: Report) -> None:
        self.given, self.report, self.about = given, report, report.about
        self.head: Json = given["head"]
        self.document: Json = self.head["document"]
        self.currency: str = self.document["currency"]
        self.keys: dict[str, bytes] = {}
        self.days: dict[str, Json] = {}
        self.day_digests: dict[str, str] = {}
        self.meters = [Meter(one) for one in self.head["meters"]]
        self.known = micros(self.head["known"])
        self.is_full = self.head["events"] == "full"
        self.said = {one["position"]: one for one in self.head["lines"]}
        self.events: dict[int, list[Event]] = defaultdict(list)
        self.leaves: dict[int, list[str]] = defaultdict(list)
        self.proved = 0

    def verify(self, trusted: set[str] | None) -> None:
        """Check all that the bundle says by itself."""
        self._keys(trusted)
        self._signature()
        self._days()
        self._events()
        self._lines()
        self._sums()

    # Keys and signatures

    def _keys(self, trusted: set[str] | None) -> None:
        known: set[str] = set()
        for key in self.given["keys"]:
            at, public = f"key {key['id']}", from_hex(key["public_key"], 32)
            self.report.same(key["id"], hashlib.sha256(public).hexdigest()[:16], at, "its id")
            text = signed_text("countinghouse key v1", f"public {public.hex()}", f"created {key['created_at']}")
            before = key["endorsed_by"]
            if before is not None:
                is_endorsed = before in self.keys and is_signed(
                    self.keys[before], text, from_hex(key["endorsement"], 64)
                )
                self.report.check(holds=is_endorsed, at=at, says="the key before did not sign that it is the successor")
            self.keys[key["id"]] = public
            if trusted is not None and (key["id"] in trusted or before in known):
                known.add(key["id"])
        if trusted is None:
            names = ", ".join(self.keys)
            self.report.limit(f"that {names} is the seller's key: compare it with a copy that you kept (--keys)")
            return
        for name in sorted({self.given["signature"]["key"], *(day["key"] for day in self.given["days"])}):
            says = "it signed, and is neither a key that you trust nor endorsed by one"
            self.report.check(holds=name in known, at=f"key {name}", says=says)

    def _is_signed(self, name: str, text: bytes, signature: object) -> bool:
        return name in self.keys and is_signed(self.keys[name], text, from_hex(signature, 64))

    def _signature(self) -> None:
        head, signature = self.head, self.given["signature"]
        text = signed_text(
            FORM,
            f"tenant {head['tenant']}",
            f"invoice {head['invoice']}",
            f"head {digest_of(head)}",
            f"key {signature['key']}",
        )
        is_good = self._is_signed(signature["key"], text, signature["signature"])
        self.report.check(holds=is_good, at="head", says="the signature is not that of what the file says")
        self.report.same(head["document_digest"], digest_of(self.document), "document", "its digest")
        for version in head["plan_versions"]:
            self.report.same(version["digest"], digest_of(version["terms"]), f"plan {version['name']}", "its digest")
        self.report.check(
            holds=head["events"] in {"full", "hashes"}, at="head", says="events are neither full nor hashes"
        )

    def _days(self) -> None:
        before: Json | None = None
        for day in self.given["days"]:
            at = f"day {day['day']}"
            text = signed_text(
                "countinghouse root v1",
                f"tenant {day['tenant']}",
                f"ledger {day['ledger']}",
                f"day {day['day']}",
                f"leaves {day['leaves']}",
                f"late {day['late']}",
                f"oldest {day['oldest'] or '-'}",
                f"root {day['root']}",
                f"previous {day['previous']}",
                f"key {day['key']}",
                f"signed {day['signed']}",
            )
            self.report.check(
                holds=self._is_signed(day["key"], text, day["signature"]), at=at, says="its signature is not the key's"
            )
            whose = (day["tenant"], day["ledger"])
            self.report.check(holds=whose == (self.head["tenant"], "live"), at=at, says="it is another ledger's")
            if before is not None:
                follows = date.fromisoformat(before["day"]) + timedelta(days=1) == date.fromisoformat(day["day"])
                self.report.check(holds=follows, at=at, says=f"it does not follow {before['day']} in the chain")
                digest = self.day_digests[before["day"]]
                self.report.same(day["previous"], digest, at, "the digest of the day before")
            self.report.check(
                holds=0 <= day["late"] <= day["leaves"], at=at, says="more leaves are late than there are"
            )
            self.days[day["day"]], self.day_digests[day["day"]] = day, hashlib.sha256(text).hexdigest()
            before = day
        if before is None:
            return
        first = self.given["days"][0]
        if first["previous"] != ZEROS:
            self.report.limit(f"the days before {first['day']}, unless you give the evidence of the invoice before")

    # Events

    def _events(self) -> None:
        seen: dict[str, str] = {}
        last: tuple[date, str] = (date.min, "")
        unsigned: dict[str, int] = defaultdict(int)
        digests: dict[int, Any] = defaultdict(hashlib.sha256)
        for number, given in enumerate(self.given["events"], start=1):
            at, leaf = f"event {number}", from_hex(given["leaf"], 32)
            event = self._content(given, leaf, at)
            name = given["leaf"] if event is None else event.key
            self.report.check(holds=name not in seen, at=at, says=f"it is there twice, as {seen.get(name)} too")
            seen[name] = at
            received = None if event is None else day_of(event.received)
            if received is not None:
                self.report.check(holds=last < (received, given["leaf"]), at=at, says="it is out of order")
                last = (received, given["leaf"])
            if "unsigned" in given:
                self._unsigned(given, received, at)
                unsigned[given["unsigned"]] += 1
            elif self._placed(given, leaf, received, at):
                self.proved += 1
            for position in given["lines"]:
                is_known = position in self.said and self.said[position]["meter"] is not None
                self.report.check(holds=is_known, at=at, says=f"line {position} counts no events")
                digests[position].update(leaf)
                self.leaves[position].append(given["leaf"])
                if event is not None:
                    self.events[position].append(event)
        for day, count in sorted(unsigned.items()):
            self.report.lack(f"{counted(count)} events that were received on {day}: that day is not signed yet")
        for position, line in self.said.items():
            count = len(self.leaves[position])
            self.report.same(line["leaves"], count, f"line {position}", "the number of its events")
            digest = digests[position].hexdigest() if count else None
            self.report.same(line["digest"], digest, f"line {position}", "the digest of its events")

    def _content(self, given: Json, leaf: bytes, at: str) -> Event | None:
        if not self.report.check(
            holds=("content" in given) == self.is_full, at=at, says="it has no content, or too much"
        ):
            return None
        if not self.is_full:
            return None
        is_hash = leaf == leaf_hash(given["content"].encode())
        self.report.check(holds=is_hash, at=at, says="its leaf is not the hash of its content")
        event = Event(given["content"])
        self.report.same(event.key, event.own_key, at, "its key")
        return event

    def _placed(self, given: Json, leaf: bytes, received: date | None, at: str) -> bool:
        """Return whether an event is in the tree of its day."""
        day = self.days.get(given["day"])
        if day is None:
            return self.report.check(holds=False, at=at, says=f"there is no signed day {given['day']}")
        path = [from_hex(node, 32) for node in given["path"]]
        root = root_by_path(leaf, given["index"], day["leaves"], path)
        is_in = self.report.check(
            holds=root == from_hex(day["root"], 32), at=at, says=f"its path does not lead to the root of {given['day']}"
        )
        if received is None:
            return is_in
        late = (date.fromisoformat(given["day"]) - received).days
        says = f"it was received on {received}, and is in the tree of {given['day']}"
        return self.report.check(holds=late in {0, 1}, at=at, says=says) and is_in

    def _unsigned(self, given: Json, received: date | None, at: str) -> None:
        day = date.fromisoformat(given["unsigned"])
        says = f"it was received on {received}, and not on {day}"
        self.report.check(holds=received is None or received == day, at=at, says=says)
        both = {day.isoformat(), (day + timedelta(days=1)).isoformat()}
        says = f"it is in neither of the signed trees of {day} and the day after"
        self.report.check(holds=not both <= set(self.days), at=at, says=says)

    # Lines

    def _lines(self) -> None:
        lines = self.document["lines"]
        positions = [line["position"] for line in lines]
        self.report.check(
            holds=positions == list(range(1, len(lines) + 1)) == list(self.said),
            at="lines",
            says="they are not in order",
        )
        quantities = {line["position"]: self._quantity(line) for line in lines if line["position"] in self.said}
        places = self._positions_of(lines, quantities)
        for line in lines:
            if line["position"] in self.said:
                self._line(line, quantities[line["position"]], places.get(line["position"]))

    def _meter(self, line: Json) -> Meter | None:
        number = self.said[line["position"]]["meter"]
        return None if number is None else self.meters[number]

    def _quantity(self, line: Json) -> Decimal:
        """Return the quantity of the events of a line; without them that which it says."""
        meter, at, told = self._meter(line), f"line {line['position']}", line["explanation"]
        said = told["now"]["quantity"] if line["kind"] == "adjustment" else line["quantity"]
        if meter is None or not self.is_full:
            if meter is not None:
                self.report.limit(f"{at}: that its {self.said[line['position']]['leaves']} events come to {said}")
            return Decimal(said)
        start, end = micros(line["period"]["start"]), micros(line["period"]["end"])
        known = micros(self.said[line["position"]]["known"])
        is_near = KNOWN_BEFORE <= known - self.known <= KNOWN_AFTER
        self.report.check(
            holds=is_near, at=at, says="it counts events until another time than the invoice was computed"
        )
        events = self.events[line["position"]]
        for event in events:
            why = meter.why_not(event, start, end, known)
            self.report.check(holds=not why, at=at, says=f"the event {event.id!r} {why}")
        found = meter.quantity(events, start, end)
        self.report.same(said, plain(found), at, "quantity")
        if line["kind"] == "usage":
            within = sum(1 for event in events if start <= event.occurred)
            self.report.same(self.said[line["position"]]["counted"], within, at, "the number of events")
        return Decimal(said)

    def _row(self, line: Json) -> tuple[str, Json]:
        """Return model and terms of the price of a line."""
        number, meter = self.said[line["position"]]["plan_version"], self._meter(line)
        code = "" if meter is None else meter.code
        if number is not None:
            for currency, of, model, terms in self.head["plan_versions"][number]["terms"]["prices"]:
                if (currency, of) == (self.currency, code):
                    return model, terms
        raise UnreadableError(f"line {line['position']}: its plan has no price for {code or 'the fee'}")

    def _positions_of(self, lines: Sequence[Json], quantities: dict[int, Decimal]) -> dict[int, Position]:
        """Return the position of each line that is one of several stretches of its period."""
        groups: dict[int, list[Json]] = defaultdict(list)
        for line in lines:
            if line["kind"] == "usage":
                groups[self.said[line["position"]]["meter"]].append(line)
        found: dict[int, Position] = {}
        for group in groups.values():
            if len(group) > 1 and any("position" in line["explanation"] for line in group):
                found.update(self._stretches(group, quantities))
        return found

    def _stretches(self, group: Sequence[Json], quantities: dict[int, Decimal]) -> Iterator[tuple[int, Position]]:
        at = {"units": NOTHING, "once": NOTHING, "packaged": NOTHING}
        exact_of: dict[int, Decimal] = defaultdict(Decimal)
        period = total_of(quantities[line["position"]] for line in group)
        for line in group:
            quantity, version = quantities[line["position"]], self.said[line["position"]]["plan_version"]
            said = {
                name: plain(number) for name, number in {**at, "period": period, "exact": exact_of[version]}.items()
            }
            place = Position(said)
            yield line["position"], place
            model, terms = self._row(line)
            told, _ = explained(model, terms, quantity, self.currency, place)
            begun = total_of(Decimal(one["quantity"]) for one in told["steps"])
            if model == "package" and begun:
                units = EXACT.multiply(begun, Decimal(terms["package_size"]))
                at["packaged"] = EXACT.add(max(at["units"], at["packaged"]), units)
            at["units"] = EXACT.add(at["units"], quantity)
            at["once"] = total_of([at["once"], *(Decimal(one["flat_amount"]) for one in told["steps"])])
            exact_of[version] = EXACT.add(exact_of[version], Decimal(told["exact_amount"]))

    def _line(self, line: Json, quantity: Decimal, place: Position | None) -> None:
        kind, told, at = line["kind"], line["explanation"], f"line {line['position']}"
        if kind in {"usage", "recurring"}:
            model, terms = self._row(line)
            if kind == "recurring":
                self.report.same(line["quantity"], "1", at, "quantity")
            follows, amount = explained(model, terms, quantity, self.currency, place)
            self._explained(told, follows, at)
            self._versions(line, told, at)
        elif kind == "proration" and told["model"] == "proration":
            amount = self._prorated(line, told, at)
        elif kind == "adjustment":
            amount = self._corrected(line, told, quantity, at)
        elif kind == "one_off":
            terms = {"unit_amount": told["steps"][0]["unit_amount"] if told["steps"] else "0"}
            follows, amount = explained("per_unit", terms, quantity, self.currency, None)
            self._explained(told, follows, at)
            self.report.limit(f"{at}: the price of a single item, which no plan has")
        elif kind == "carry" or (kind == "proration" and told["model"] == "reopened"):
            amount = line["amount_minor"]
            self.report.limit(f"{at}: {line['description']} ({money(amount, self.currency)})")
        else:
            self.report.lack(f"{at}: there is no kind of line {kind!r}")
            return
        self.report.same(line["amount_minor"], amount, at, "amount_minor")

    def _explained(self, told: Json, follows: Json, at: str) -> None:
        for name in sorted({*follows, *(("position",) if "position" in told else ())}):
            self.report.same(told.get(name), follows.get(name), at, f"explanation: {name}")

    def _versions(self, line: Json, told: Json, at: str) -> None:
        """Check that the versions of the meter are those that held in the line's period."""
        meter = self._meter(line)
        if meter is None:
            return
        start, end = micros(line["period"]["start"]), micros(line["period"]["end"])
        held = [
            one.number for one in meter.versions
            if (one.ends is None or start < one.ends) and (one.begins is None or one.begins < end)
        ]  # fmt: skip
        self.report.same(told.get("meter_versions", [1]), held or [1], at, "explanation: meter_versions")

    def _prorated(self, line: Json, told: Json, at: str) -> int:
        _, terms = self._row(line)
        fee, days, of = Decimal(told["fee"]), told["days"], told["days_in_period"]
        self.report.same(told["fee"], plain(Decimal(terms["amount"])), at, "the fee")
        self.report.check(holds=0 <= days <= of and of > 0, at=at, says=f"{days} of {of} days are no share")
        whole = rounded(EXACT.divide(EXACT.multiply(fee, Decimal(days)), Decimal(max(of, 1))), self.currency)
        kept = told.get("kept_minor", 0)
        self.report.check(holds=0 <= kept <= whole, at=at, says=f"{kept} of {whole} cannot be kept")
        self.report.limit(f"{at}: the days of a change of plan, {days} of {of}")
        if told.get("is_forgiven"):
            return 0
        return kept - whole if kept or line["amount_minor"] < 0 else whole

    def _corrected(self, line: Json, told: Json, quantity: Decimal, at: str) -> int:
        now, before = told["now"], told["invoiced"]
        model, terms = self._row(line)
        place = Position(now["position"]) if "position" in now else None
        follows, costs = explained(model, terms, quantity, self.currency, place)
        self._explained(now, follows, at)
        self.report.same(now["amount_minor"], costs, at, "what it costs now")
        change = plain(EXACT.subtract(quantity, Decimal(before["quantity"])))
        self.report.same(line["quantity"], change, at, "quantity")
        limits = (
            f"{at}: that {told['invoice']} and its corrections came to {money(before['amount_minor'], self.currency)}"
        )
        self.report.limit(limits)
        difference: int = costs - before["amount_minor"]
        if not any(before.get(name) for name in ("forgiven_minor", "unpaid_minor", "credited_minor")):
            return difference
        # Not charged again, and not given back, is what was never paid or was credited: at most that much.
        most = sum(before.get(name, 0) for name in ("forgiven_minor", "unpaid_minor", "credited_minor"))
        amount: int = line["amount_minor"]
        self.report.check(holds=abs(amount - difference) <= most, at=at, says=f"{amount} is too far from {difference}")
        self.report.limit(f"{at}: how much of {money(most, self.currency)} that was unpaid or credited is kept")
        return amount

    # Sums

    def _sums(self) -> None:
        document, lines = self.document, self.document["lines"]
        self.report.same(document["number"], self.head["invoice"], "document", "number")
        self.report.same(document["kind"], "invoice", "document", "kind")
        self.report.same(document["digits"], DIGITS.get(self.currency, 2), "document", "digits")
        if any("tax" not in line for line in lines):
            self.report.lack("the tax: the invoice is from before lines bore theirs")
        else:
            self._taxes(lines)
        carried = sum(line["amount_minor"] for line in lines if line["kind"] == "carry")
        subtotal = sum(line["amount_minor"] for line in lines) - carried
        tax = sum(row["amount_minor"] for row in document["taxes"])
        for name, follows in (
            ("subtotal_minor", subtotal),
            ("tax_minor", tax),
            ("carried_minor", carried),
            ("total_minor", subtotal + tax + carried),
            ("due_minor", subtotal + tax + carried - document["paid_minor"]),
        ):
            self.report.same(document[name], follows, "document", name)
        self.report.check(holds=document["total_minor"] >= 0, at="document", says="the total is below 0")
        self._own_currency(document)

    def _taxes(self, lines: Sequence[Json]) -> None:
        bases: dict[tuple[Any, ...], int] = {}
        for number, line in enumerate(lines, start=1):
            tax = line["tax"]
            is_right = (tax is None) == (line["kind"] == "carry")
            self.report.check(holds=is_right, at=f"line {number}", says="it bears no tax, or bears one on credit")
            if tax is not None:
                key = (tax["jurisdiction"], tax["category"], tax["name"], tax["rate"])
                bases[key] = bases.get(key, 0) + line["amount_minor"]
        rows = self.document["taxes"]
        said = [(row["jurisdiction"], row["category"], row["name"], row["percent"]) for row in rows]
        self.report.same(said, list(bases), "taxes", "the list")
        for row, (key, base) in zip(rows, bases.items()):
            at = f"tax {row['name'] or row['category']} {row['percent']} %"
            self.report.same(row["base_minor"], base, at, "base_minor")
            exact = EXACT.multiply(Decimal(base), Decimal(key[3])).scaleb(-2 - DIGITS.get(self.currency, 2), EXACT)
            self.report.same(row["amount_minor"], rounded(exact, self.currency), at, "amount_minor")
        if rows:
            self.report.limit("which tax is due: the rates are taken as the lines name them")

    def _own_currency(self, document: Json) -> None:
        """Check the taxes in the seller's currency, by the rates that the document names."""
        own = document.get("issuer_currency")
        if own is None:
            return
        converted = []
        for row in document["taxes"]:
            exact = Decimal(row["amount_minor"]).scaleb(-DIGITS.get(self.currency, 2), EXACT)
            currency = self.currency
            for rate in own["rates"]:
                is_back = rate["currency"] == currency
                exact = (EXACT.divide if is_back else EXACT.multiply)(exact, Decimal(rate["rate"]))
                currency = rate["per"] if is_back else rate["currency"]
            converted.append(rounded(exact, own["currency"]))
        self.report.same(own["taxes_minor"], converted, "issuer_currency", "taxes_minor")
        self.report.same(own["tax_minor"], sum(converted), "issuer_currency", "tax_minor")
        self.report.limit(f"the rates of exchange of {own['day']}")


def verify_together(one: Bundle, other: Bundle, report: Report) -> None:
    """Check that two bundles of one tenant show one history, and count no event twice."""
    names = f"{one.head['invoice']} and {other.head['invoice']}"
    if not report.check(holds=one.head["tenant"] == other.head["tenant"], at=names, says="they are of two tenants"):
        return
    shared = sorted(set(one.days) & set(other.days))
    for day in shared:
        is_one = one.day_digests[day] == other.day_digests[day]
        report.check(holds=is_one, at=names, says=f"they show two signed histories of {day}")
    for name in set(one.keys) & set(other.keys):
        report.check(holds=one.keys[name] == other.keys[name], at=names, says=f"the key {name} is two keys")
    if not shared and one.days and other.days:
        first, second = sorted((one, other), key=lambda bundle: min(bundle.days))
        last, begins = max(first.days), min(second.days)
        if date.fromisoformat(last) + timedelta(days=1) != date.fromisoformat(begins):
            report.open.append(f"that {names} show one history: they have no day in common")
            return
        previous = second.days[begins]["previous"]
        report.same(previous, first.day_digests[last], names, f"the digest of {last}")
    if one.head["invoice"] != other.head["invoice"]:
        for code, leaves in usage_leaves(one).items():
            doubles = leaves & usage_leaves(other).get(code, set())
            says = f"both charge {counted(len(doubles))} events of {code}"
            report.check(holds=not doubles, at=names, says=says)


def settle_limits(bundles: Sequence[Bundle], report: Report) -> None:
    """Take back what one file does not prove, and the others do: the days before, and what a correction corrects."""
    proved = {day for bundle in bundles for day in bundle.days}
    for bundle in bundles:
        first = min(bundle.days, default="")
        if first and (date.fromisoformat(first) - timedelta(days=1)).isoformat() in proved:
            report.limits = [
                one for one in report.limits if not one.startswith(f"{bundle.about}the days before {first},")
            ]
        for line in bundle.document["lines"]:
            if line["kind"] == "adjustment" and charged_before(line, bundle, bundles) == invoiced_before(line):
                said = f"{bundle.about}line {line['position']}: that {line['explanation']['invoice']} and"
                report.limits = [one for one in report.limits if not one.startswith(said)]


def invoiced_before(line: Json) -> tuple[int, Decimal]:
    """Return the amount and the quantity that a correction takes as invoiced."""
    before = line["explanation"]["invoiced"]
    return before["amount_minor"], Decimal(before["quantity"])


def charged_before(correction: Json, of: Bundle, bundles: Iterable[Bundle]) -> tuple[int, Decimal]:
    """Return what the line that a correction corrects, and earlier corrections of it, come to in these bundles."""
    amount, quantity = 0, NOTHING
    number, place = correction["explanation"]["invoice"], meter_and_period(correction, of)
    for bundle in bundles:
        for line in bundle.document["lines"]:
            is_root = line["kind"] == "usage" and bundle.head["invoice"] == number
            is_earlier = (
                line["kind"] == "adjustment" and bundle.known < of.known and line["explanation"]["invoice"] == number
            )
            if (is_root or is_earlier) and meter_and_period(line, bundle) == place:
                amount, quantity = amount + line["amount_minor"], EXACT.add(quantity, Decimal(line["quantity"]))
    return amount, quantity


def meter_and_period(line: Json, bundle: Bundle) -> tuple[str, str, str]:
    """Return which usage a line is about."""
    number = bundle.said[line["position"]]["meter"]
    return bundle.meters[number].code, line["period"]["start"], line["period"]["end"]


def usage_leaves(bundle: Bundle) -> dict[str, set[str]]:
    """Return by meter the leaves that lines of usage charge; a level may last from one invoice to the next."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in bundle.document["lines"]:
        number = bundle.said[line["position"]]["meter"]
        if line["kind"] == "usage" and number is not None and not bundle.meters[number].lasts:
            found[bundle.meters[number].code].update(bundle.leaves[line["position"]])
    return found


# The command.


def trusted_keys(files: Sequence[str], names: Sequence[str]) -> set[str] | None:
    """Return the ids of the keys that the caller trusts; None if none was named. Raises `UnreadableError`."""
    if not files and not names:
        return None
    trusted = set(names)
    for file in files:
        try:
            keys = json.loads(Path(file).read_text(encoding="utf-8"))["keys"]
            trusted |= {hashlib.sha256(bytes.fromhex(key["public_key"])).hexdigest()[:16] for key in keys}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnreadableError(f"{file}: {error!r}") from error
    return trusted


def verified(path: str, trusted: set[str] | None, report: Report) -> Bundle | None:
    """Verify one file. Return None if it cannot be read to its end."""
    try:
        bundle = Bundle(read_bundle(path), report)
        bundle.verify(trusted)
    except UnreadableError as error:
        report.open.append(f"{path} cannot be read: {error}")
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, StopIteration) as error:
        report.open.append(f"{path} is not in the form of the page: {error!r}")
    except RecursionError:
        report.open.append(f"{path} is not in the form of the page: it is too deep")
    else:
        return bundle
    return None


def described(bundle: Bundle) -> Iterator[str]:
    """Yield what was proved of a bundle, in lines."""
    lines, total = bundle.document["lines"], money(bundle.document["total_minor"], bundle.currency)
    yield f"proved: {counted(len(lines))} lines, {counted(bundle.proved)} events, {total}"
    for line in lines:
        leaves, amount = bundle.said[line["position"]]["leaves"], money(line["amount_minor"], bundle.currency)
        events = f", {counted(leaves)} events" if leaves else ""
        quantity = f"{line['quantity']} {line['unit']}".rstrip()
        yield f"  {line['position']}. {line['description']}: {quantity}{events}, {amount}"
    if bundle.days:
        yield f"  {counted(len(bundle.days))} signed days, {min(bundle.days)} to {max(bundle.days)}, in one chain"


LIMITS: Final = (
    "that no event was left out, and that none of them was voided in time: compare with your own count",
    "that you sent the events: they are signed by the seller, not by you",
)


def main(arguments: Sequence[str]) -> int:
    """Verify, print what was found, and return the status to exit with."""
    parser = argparse.ArgumentParser(description="Verify the evidence of one invoice, or of two.")
    parser.add_argument("bundles", nargs="+", metavar="FILE", help="the evidence of an invoice, and of another one")
    parser.add_argument("--keys", action="append", default=[], metavar="FILE", help="a saved countinghouse-keys.json")
    parser.add_argument("--key", action="append", default=[], metavar="ID", help="the id of a key that you trust")
    given = parser.parse_args(arguments)
    report = Report()
    try:
        trusted = trusted_keys(given.keys, given.key)
    except UnreadableError as error:
        return told([f"cannot be read: {error}"], 2)
    whole = []
    for path in given.bundles:
        report.about = f"{Path(path).name}: " if len(given.bundles) > 1 else ""
        bundle = verified(path, trusted, report)
        whole += [] if bundle is None else [bundle]
    report.about = ""
    for one, other in zip(whole, whole[1:]):
        verify_together(one, other, report)
    if not report.wrong:
        settle_limits(whole, report)
    if report.wrong:
        found = [f"NOT PROVED: {counted(len(report.wrong))} contradictions", *(f"  {one}" for one in report.wrong)]
        return told(found, 1)
    lines = [line for bundle in whole for line in (title(bundle), *described(bundle))]
    if len(whole) > 1 and not report.open:
        lines.append("proved: one history, and no event charged twice")
    missing = [f"  {one}" for one in report.open]
    limits = [f"  {one}" for one in dict.fromkeys([*report.limits, *LIMITS])]
    lines += ["missing:", *missing] if missing else []
    lines += ["not proved:", *limits] if whole else []
    return told(lines, 2 if missing else 0)


def title(bundle: Bundle) -> str:
    """Return which invoice it is."""
    document = bundle.document
    seller, buyer = document["issuer"].get("legal_name", ""), document["customer"].get("name", "")
    return f"{document['number']} of {document['issued_on']}, from {seller} to {buyer}"


def told(lines: Iterable[str], status: int) -> int:
    """Print lines, and return the status."""
    text = "\n".join(lines) + "\n"
    sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "utf-8", "replace"))
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
