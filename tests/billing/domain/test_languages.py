"""Which languages documents are written in."""

from babel import Locale

from billing.domain.languages import ENGLISH, LANGUAGES


def test_each_language_is_named_as_its_readers_name_it() -> None:
    assert next(iter(LANGUAGES)) == ENGLISH
    for code, name in LANGUAGES.items():
        assert str(Locale(code).get_display_name(code)).lower() == name.lower()
