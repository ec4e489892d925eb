"""Whose usage every request of a race is."""

SUBJECT = "team"
