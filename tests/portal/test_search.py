"""How the search cuts its text and orders what it finds by words."""

from accounts.domain.api_key import KeyKind, generate_key
from portal.search import TEXT_CHARACTERS_MAX, best_matches, wanted_text

PAGES = [("API keys", "secret token"), ("Create a key", "token"), ("Key moments", ""), ("Usage", "key figures")]


def matches(text: str) -> list[str]:
    return [title for title, _ in best_matches(PAGES, text, lambda page: page)]


def test_every_word_must_be_found_and_the_title_counts_most() -> None:
    assert matches("key") == ["Key moments", "API keys", "Create a key", "Usage"]
    assert matches("TOKEN key") == ["API keys", "Create a key"]
    assert matches("key nothing") == []


def test_a_pasted_key_is_cut_to_the_part_that_may_be_shown() -> None:
    secret = generate_key(KeyKind.LIVE)

    assert wanted_text(f" {secret} ") == secret[:12]
    assert wanted_text("ch_live_abc") == "ch_live_abc"


def test_a_hostile_text_is_cut_and_loses_what_the_database_refuses() -> None:
    assert wanted_text("\0a\0") == "a"
    assert len(wanted_text("x" * 9_999)) == TEXT_CHARACTERS_MAX
