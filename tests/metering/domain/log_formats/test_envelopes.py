"""What is around a line is taken off, and what only resembles it is not."""

import json

import pytest

from metering.domain.log_formats.envelopes import ENVELOPES

BY_NAME = {envelope.name: envelope.open for envelope in ENVELOPES}


def opened(text: str) -> set[str]:
    return {name for name, open_text in BY_NAME.items() if open_text(text) is not None}


@pytest.mark.parametrize(
    "text",
    [
        "",
        '"',
        '""',
        '"a" - "b"',
        '"a \\" b" c"',
        "{",
        '{"log": ',
        '{"log": 7}',
        '{"log": "half a line"}',
        '{"message": "x"}',
        "1.2.3.4 - - [17/May/2015:10:05:03 +0000] x",
        "May 17 10:05:04 no tag",
        "<190>2 2015-05-17T10:05:04Z a b c d - x",
    ],
)
def test_a_plain_line_is_in_no_envelope(text: str) -> None:
    assert opened(text) == set()


def test_a_line_keeps_everything_that_is_inside() -> None:
    for line in ("", 'a "b" [c] é', "| [pod/x/y] z"):
        assert BY_NAME["Docker's json-file"](json.dumps({"log": line + "\r\n"})) == line
        assert BY_NAME["journalctl -o json"](json.dumps({"MESSAGE": line})) == line
        assert BY_NAME["CRI"](f"2015-05-17T10:05:04.6Z stderr F {line}") == line
        assert BY_NAME["syslog"](f"May  7 10:05:04 host nginx[1]: {line}") == line
        assert BY_NAME["Docker Compose"](f"web-1  | {line}") == line


def test_quotes_around_a_line_are_either_escaped_or_doubled() -> None:
    unquoted = BY_NAME["quotes around each line"]
    assert unquoted('"say ""x"" now"') == 'say "x" now'
    assert unquoted(r'"say \"x\" and \\ now"') == r'say "x" and \ now'
    assert unquoted('"say x"') is None
