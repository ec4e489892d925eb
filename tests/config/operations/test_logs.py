"""A readable log line contains what we wrote, whatever a caller sent."""

import logging
import logging.config
from typing import Any

import pytest
import structlog

from config.operations.logs import escape_controls, logging_settings


def line_of(**values: Any) -> str:
    """Return the line as the development profile writes it."""
    described = logging_settings(is_json=False, level="INFO")["formatters"]["structured"]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=described["foreign_pre_chain"], processors=described["processors"]
    )
    record = logging.LogRecord("countinghouse", logging.INFO, "", 0, values.pop("event"), None, None)
    with structlog.contextvars.bound_contextvars(**values):
        return formatter.format(record)


@pytest.mark.parametrize("name", ["request_id", "path"])
def test_a_blank_in_a_callers_text_makes_no_log_field(name: str) -> None:
    line = line_of(event="request", **{name: "a status=200 tenant=globex"})

    assert f"{name}='a status=200 tenant=globex'" in line


def test_a_line_break_in_a_callers_text_makes_no_log_line() -> None:
    line = line_of(event="Not Found: /a\nrequest status=200", path="/a\nb\u2028c\x1b[2J")

    assert len(line.splitlines()) == 1
    assert r"path=/a\nb\u2028c\x1b[2J" in line


def test_an_ordinary_log_line_is_unchanged() -> None:
    values = {"event": "request", "path": "/api/v1/events", "status": 200, "request_id": "01a1fe23-21a0"}

    assert escape_controls(None, "", dict(values)) == values
