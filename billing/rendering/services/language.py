"""The language of a document: its labels, and numbers and days as its readers write them.

Content without a language is English. A text stored in English, such as the description of a line, is translated by
the pattern that it follows. A text that follows none stays in English.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.dates import format_date
from babel.messages.pofile import read_po

from accounts.domain.numbers import number_text
from billing.domain.languages import ENGLISH
from billing.domain.money import currency_digits, to_major

_DIRECTORY: Final = Path(__file__).resolve().parents[1] / "languages"
_STORED: Final = "stored"
_NUMBER: Final = r"\u2212?\d[\d,]*(?:\.\d+)?"
_AMOUNT: Final = rf"{_NUMBER}\u00a0[A-Z]{{3}}"
_SHAPES: Final = {"n_": _NUMBER, "m_": _AMOUNT, "d_": r"[A-Z][A-Z0-9-]*-\d{4}-\d+"}
_WHOLE_MONTH: Final = re.compile("MMM+")
_PLACES: Final = re.compile(r"\\\{([a-z_0-9]+)\\\}")
_SPACE: Final = "\N{NO-BREAK SPACE}"
_MONTHS: Final = Locale(ENGLISH).months["format"]["wide"]


@dataclass(frozen=True, slots=True)
class Language:
    """A language of documents. `code` is that of ISO 639."""

    code: str
    locale: Locale = field(compare=False)
    labels: Mapping[str, str] = field(compare=False)
    phrases: Sequence[tuple[re.Pattern[str], str]] = field(compare=False)

    def say(self, text: str, **values: str) -> str:
        """Return a label or a sentence with its values. `text` is the English one."""
        return self.labels.get(text, text).format(**values)

    def retell(self, text: str) -> str:
        """Return a stored English text in this language if it follows a known pattern, else the text itself."""
        for pattern, told in self.phrases:
            found = pattern.fullmatch(text)
            if found is not None:
                return told.format(**{name: self._value(name, value) for name, value in found.groupdict().items()})
        return text

    def retell_sentences(self, text: str) -> str:
        """Return a text of several sentences, translated one by one."""
        return " ".join(self.retell(sentence) for sentence in re.split(r"(?<=\.) ", text)) if self.phrases else text

    def number(self, number: Decimal | int | str, *, decimals_min: int = 0) -> str:
        """Return an exact number with its thousands grouped and every digit that it has."""
        return self.reformat(number_text(number, decimals_min=decimals_min))

    def amount(self, amount_minor: int, currency: str) -> str:
        """Return minor units as people read them, without the currency."""
        return self.exact(to_major(amount_minor, currency), currency)

    def exact(self, amount: Decimal | str, currency: str) -> str:
        """Return an exact amount of the major unit, with at least the digits of its currency."""
        return self.number(amount, decimals_min=currency_digits(currency))

    def money(self, amount_minor: int, currency: str) -> str:
        """Return minor units with their currency."""
        return f"{self.amount(amount_minor, currency)}{_SPACE}{currency}"

    def reformat(self, text: str) -> str:
        """Return a number that is written as in English with the language's signs."""
        signs = self.locale.number_symbols["latn"]
        return text.translate({ord(","): signs["group"], ord("."): signs["decimal"]})

    def day(self, iso: str) -> str:
        """Return a stored day, as in 1 March 2026."""
        moment = date.fromisoformat(iso)
        if self.code == ENGLISH:
            return f"{moment.day} {_MONTHS[moment.month]} {moment.year}"
        return format_date(moment, "long", locale=self.locale)

    def days(self, period: Mapping[str, str]) -> str:
        """Return a stored period by its first and last day, as in 1 - 31 March 2026."""
        first, last = date.fromisoformat(period["first_day"]), date.fromisoformat(period["last_day"])
        end = self.day(period["last_day"])
        if first == last:
            return end
        if self.code != ENGLISH:
            return self._span(first, last)
        begin = str(first.day)
        if (first.year, first.month) != (last.year, last.month):
            begin += f" {_MONTHS[first.month]}"
        if first.year != last.year:
            begin += f" {first.year}"
        return f"{begin} \u2013 {end}"

    def _span(self, first: date, last: date) -> str:
        """Return two days by the locale's pattern for spans, in which a month has its whole name."""
        formats = self.locale.interval_formats
        patterns = formats.get("yMMMMd") or formats["yMMMd"]
        differs = "y" if first.year != last.year else "M" if first.month != last.month else "d"
        parts = [_WHOLE_MONTH.sub("MMMM", part) for part in patterns[differs]]
        told = [format_date(day, part, locale=self.locale) for day, part in zip((first, last), parts, strict=True)]
        return "".join(told).replace("\N{THIN SPACE}", " ")

    def country(self, code: str) -> str:
        """Return a country's name, or its code if the locale has no name for it."""
        return str(self.locale.territories.get(code, code))

    def _value(self, name: str, value: str) -> str:
        if name.startswith("n_"):
            return self.reformat(value)
        if name.startswith("m_"):
            number, currency = value.split(_SPACE)
            return f"{self.reformat(number)}{_SPACE}{currency}"
        return self.retell(value) if name.startswith("p_") else value


@cache
def language_named(code: str) -> Language:
    """Return a language by its code."""
    if code == ENGLISH:
        return Language(code, Locale(code), {}, ())
    with (_DIRECTORY / f"{code}.po").open("rb") as file:
        messages = [message for message in read_po(file, locale=code) if message.id]
    labels = {str(message.id): str(message.string) for message in messages if message.context != _STORED}
    stored = [message for message in messages if message.context == _STORED]
    return Language(
        code, Locale(code), labels, tuple((_pattern(str(message.id)), str(message.string)) for message in stored)
    )


IN_ENGLISH: Final = language_named(ENGLISH)


def language_of(content: Mapping[str, Any]) -> Language:
    """Return the language that a document is written in."""
    return language_named(content.get("language") or ENGLISH)


def _pattern(text: str) -> re.Pattern[str]:
    def place(found: re.Match[str]) -> str:
        name = found[1]
        shape = _SHAPES.get(name[:2], ".+?")
        return f"(?P<{name}>{shape})"

    return re.compile(_PLACES.sub(place, re.escape(text)), re.DOTALL)
