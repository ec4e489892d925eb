"""The admin of other people's tables, under our theme: registered anew after every app has registered its own."""

from config.staff.foreign_tables import jobs, mirrors, sign_in

__all__ = ["jobs", "mirrors", "sign_in"]
