"""The staff's face: the admin's site, its dashboard, and the tables that we show in our own way."""

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.utils.module_loading import autodiscover_modules


class StaffConfig(AppConfig):
    """Holds the groups of staff, the dashboard and the template tags of the admin."""

    name = "config.staff"
    verbose_name = "Staff"


class StaffAdminConfig(AdminConfig):
    """The admin, on our own site class."""

    default_site = "config.staff.site.StaffAdminSite"

    def ready(self) -> None:
        """Let every app register its tables, and then those that we show in our own way."""
        super().ready()
        autodiscover_modules("foreign_tables", register_to=admin.site)
