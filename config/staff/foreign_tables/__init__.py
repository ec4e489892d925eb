"""The admin of other people's tables, under our theme: registered anew after every app has registered its own."""

from config.staff.foreign_tables import jobs, sign_in, stripe_mirror

__all__ = ["jobs", "sign_in", "stripe_mirror"]
