"""What a message says before it has a form."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from accounts.channels.domain.messages import DIGEST_LINES_MAX, ToldNotice, text_of_digest, text_of_notice, text_of_test

AT = datetime(2026, 3, 10, 8, 5, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")


def told(number: int) -> ToldNotice:
    at = AT + timedelta(minutes=number)
    return ToldNotice(str(number), "usage_alert", "Usage alerts", f"Notice {number}", "Text", "https://x/t/", at)


def test_a_notice_names_organisation_and_kind() -> None:
    text = text_of_notice(told(0), organisation="Acme")
    assert (text.title, text.text, text.about) == ("Notice 0", "Text", "Acme · Usage alerts")


def test_a_digest_has_a_line_for_each_notice_by_the_clock_of_the_zone() -> None:
    day = date(2026, 3, 10)
    text = text_of_digest([told(0), told(1)], day=day, organisation="Acme", url="https://x/", zone=PARIS, at=AT)
    assert text.title == "2 notices until 10 March 2026"
    assert text.text == "09:05 Notice 0\n09:06 Notice 1"


def test_a_digest_of_very_many_says_how_many_more_there_are() -> None:
    many = [told(number) for number in range(DIGEST_LINES_MAX + 5)]
    text = text_of_digest(many, day=date(2026, 3, 10), organisation="Acme", url="https://x/", zone=PARIS, at=AT)
    assert text.text.endswith("… and 5 more")
    assert len(text.notices) == DIGEST_LINES_MAX + 5


def test_a_test_says_that_it_is_one() -> None:
    assert text_of_test(name="#b", organisation="Acme", url="https://x/", at=AT).is_test
