"""The staff admin: its site, its dashboard, and the pages of other libraries' tables."""

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.utils.module_loading import autodiscover_modules


class StaffConfig(AppConfig):
    """The app with the groups of staff, the dashboard and the template tags of the admin."""

    name = "config.staff"
    verbose_name = "Staff"


class StaffAdminConfig(AdminConfig):
    """The admin, with our own site class."""

    default_site = "config.staff.site.StaffAdminSite"

    def ready(self) -> None:
        """Import every app's admin, then register our own pages of other libraries' tables."""
        super().ready()
        autodiscover_modules("foreign_tables", register_to=admin.site)
