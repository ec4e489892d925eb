"""Documents in other languages: labels from the catalogues, numbers and days by the locale, stored texts by pattern."""

import re

import pytest

from billing.domain.languages import LANGUAGES
from billing.domain.tax import OUT_OF_SCOPE_NOTE, REVERSE_CHARGE_NOTE
from billing.rendering.services.language import IN_ENGLISH, language_named, language_of

PLACE = re.compile(r"{[a-z_0-9]+}")
MARCH = {"first_day": "2026-03-01", "last_day": "2026-03-31"}
GERMAN = language_named("de")


def test_a_document_without_a_language_is_english_and_says_what_is_stored() -> None:
    assert language_of({}) == language_of({"language": ""}) == IN_ENGLISH
    assert IN_ENGLISH.retell("Pro: monthly fee") == "Pro: monthly fee"
    assert IN_ENGLISH.retell_sentences(f"{REVERSE_CHARGE_NOTE} A. B.") == f"{REVERSE_CHARGE_NOTE} A. B."
    assert IN_ENGLISH.days({"first_day": "2026-03-05", "last_day": "2027-03-04"}) == "5 March 2026 \u2013 4 March 2027"


@pytest.mark.parametrize("code", sorted(set(LANGUAGES) - {"en"}))
def test_each_catalogue_says_the_same_with_the_same_values(code: str) -> None:
    language, german = language_named(code), language_named("de")
    assert language.labels.keys() == german.labels.keys()
    assert [pattern for pattern, _ in language.phrases] == [pattern for pattern, _ in german.phrases]
    for text, told in language.labels.items():
        assert told
        assert sorted(PLACE.findall(text)) == sorted(PLACE.findall(told)), text
    for pattern, told in language.phrases:
        assert sorted(pattern.groupindex) == sorted(name.strip("{}") for name in PLACE.findall(told)), told


@pytest.mark.parametrize(
    ("code", "money", "days", "words"),
    [
        ("de", "\u22121.234,50\u00a0EUR", "1.\u201331. März 2026", "Steuerschuldnerschaft des Leistungsempfängers"),
        ("fr", "\u22121\u202f234,50\u00a0EUR", "1\u201331 mars 2026", "Autoliquidation"),
        ("es", "\u22121.234,50\u00a0EUR", "1\u201331 de marzo de 2026", "Inversión del sujeto pasivo"),
    ],
)
def test_numbers_days_and_the_words_of_the_law_are_the_languages(code: str, money: str, days: str, words: str) -> None:
    language = language_named(code)
    assert language.money(-123450, "EUR") == money
    assert language.days(MARCH) == days
    assert language.days({"first_day": "2026-03-01", "last_day": "2026-03-01"}) == language.day("2026-03-01")
    assert language.retell_sentences(f"{REVERSE_CHARGE_NOTE} {OUT_OF_SCOPE_NOTE}").startswith(words)
    assert language.retell(OUT_OF_SCOPE_NOTE) != OUT_OF_SCOPE_NOTE
    assert language.country("DE") != "DE"
    assert language.country("XQ") == "XQ"


@pytest.mark.parametrize(
    ("code", "april", "winter", "year"),
    [
        ("de", "1.\u201330. April 2026", "30. November \u2013 29. Dezember 2026", "5. Mai 2026 \u2013 4. Mai 2027"),
        ("fr", "1\u201330 avril 2026", "30 novembre \u2013 29 décembre 2026", "5 mai 2026 \u2013 4 mai 2027"),
        (
            "es", "1\u201330 de abril de 2026", "30 de noviembre \u2013 29 de diciembre de 2026",
            "5 de mayo de 2026 \u2013 4 de mayo de 2027",
        ),
    ],
)  # fmt: skip
def test_a_span_of_days_has_whole_months(code: str, april: str, winter: str, year: str) -> None:
    spans = (("2026-04-01", "2026-04-30"), ("2026-11-30", "2026-12-29"), ("2026-05-05", "2027-05-04"))
    told = [language_named(code).days({"first_day": first, "last_day": last}) for first, last in spans]
    assert told == [april, winter, year]


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ("Pro: monthly fee", "Pro: Monatsgebühr"),
        ("Unused time on Pro (17 of 31 days)", "Nicht genutzte Zeit von Pro (17 von 31 Tagen)"),
        (
            "Unused time on Pro (17 of 31 days), from INV-2026-000003",
            "Nicht genutzte Zeit von Pro (17 von 31 Tagen), aus INV-2026-000003",
        ),
        ("Correction of INV-2026-000017: API calls", "Korrektur zu INV-2026-000017: API calls"),
        (
            "Units 901 to 1,800 of this period, which has 1,234.5, since other usage of it was corrected",
            "Einheiten 901 bis 1.800 dieses Zeitraums mit insgesamt 1.234,5, weil andere Nutzung korrigiert wurde",
        ),
        (
            "Above 10,000: once 5.00\u00a0EUR, less what was charged for it before",
            "Über 10.000: einmalig 5,00\u00a0EUR, abzüglich des zuvor Berechneten",
        ),
        ("Rounded half up from 1,583.2005\u00a0EUR", "Kaufmännisch gerundet von 1.583,2005\u00a0EUR"),
        ("Visa ending in 4242", "Visa mit den Endziffern 4242"),
        ("Team, from Berlin", "Team, from Berlin"),
        ("Consulting, 3 days", "Consulting, 3 days"),
        ("{plan}: none", "{plan}: none"),
    ],
)
def test_what_is_stored_in_english_is_told_by_its_pattern_or_left_as_it_is(stored: str, told: str) -> None:
    assert GERMAN.retell(stored) == told
