"""Columns are read by the last header."""

import pytest

from metering.domain.access_log import AccessRecord, BadLine
from metering.domain.log_formats.reading import Context, Header
from metering.domain.log_formats.w3c import read_w3c


def test_a_header_names_the_columns_and_other_comments_keep_it() -> None:
    assert read_w3c("#Fields: date time sc-status", Context()) == Header("date time sc-status")
    assert read_w3c("#Date: 2015-05-17", Context(header="a b")) == Header("a b")


def test_columns_may_be_in_any_order_and_few() -> None:
    found = read_w3c("304 10:05:03 2015-05-17", Context(header="sc-status time date"))
    assert isinstance(found, AccessRecord)
    assert (found.status, found.ip, found.request_id, found.response_length) == (304, None, None, 0)


@pytest.mark.parametrize(
    ("header", "line", "reason"),
    [
        ("", "a b", "No line of #Fields: stands before this one."),
        ("sc-status", "200 1", "Not as many columns as #Fields: names."),
        ("sc-status time", "200 10:05:03", "No time."),
        ("date time", "2015-05-17 10:05:03", "No status."),
        ("date time sc-status", "2015-05-17 25:05:03 200", "Not a time such as 2026-11-21T09:30:00Z."),
        ("date time sc-status cs-username", "2015-05-17\t10:05:03\t200\tjohn smith", "The user is not one word."),
    ],
)
def test_a_line_that_is_no_record_has_a_reason(header: str, line: str, reason: str) -> None:
    found = read_w3c(line, Context(header=header))
    assert isinstance(found, BadLine)
    assert found.reason == reason
