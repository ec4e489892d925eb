"""Formats of Django's `en`, by day, month and year as ISO 8601 has them; times are UTC unless a page says otherwise."""

DATE_FORMAT = SHORT_DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "Y-m-d H:i"
