"""The admin of other libraries' tables, in our theme: registered again after every app has registered its own."""

from config.staff.foreign_tables import jobs, mirrors, sign_in

__all__ = ["jobs", "mirrors", "sign_in"]
