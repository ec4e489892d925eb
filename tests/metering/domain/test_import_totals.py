"""The totals of an import."""

from datetime import UTC, datetime

from metering.domain.access_log import record_of
from metering.domain.import_totals import BAD_LINES_KEPT_MAX, ImportTotals


def test_every_refused_line_is_counted_by_its_reason_and_the_first_are_kept() -> None:
    totals = ImportTotals()
    for number in range(BAD_LINES_KEPT_MAX + 5):
        totals.add_bad(number, "No time." if number % 2 else "No status.")
        totals.add_repeated(number)
    assert totals.bad == totals.bad_by_reason.total() == totals.repeated == BAD_LINES_KEPT_MAX + 5
    assert len(totals.bad_lines) == len(totals.repeated_lines) == BAD_LINES_KEPT_MAX
    assert totals.bad_lines[1] == (1, "No time.")


def test_the_span_is_that_of_the_good_lines() -> None:
    totals = ImportTotals()
    assert totals.summary()["first_at"] is None
    for day in (3, 1, 2):
        totals.add_good(record_of({"request_time": datetime(2015, 5, day, tzinfo=UTC), "response_length": day}))
    assert totals.response_bytes == 6
    assert totals.summary()["first_at"] == "2015-05-01T00:00:00+00:00"
    assert totals.summary()["last_at"] == "2015-05-03T00:00:00+00:00"
