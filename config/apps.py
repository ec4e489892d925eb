"""The composition of the application: its commands, its checks and the staff admin."""

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.utils.module_loading import autodiscover_modules


class ConfigConfig(AppConfig):
    """Holds the commands and checks that concern every app."""

    name = "config"
    verbose_name = "Countinghouse"


class StaffAdminConfig(AdminConfig):
    """The admin, on our own site class."""

    default_site = "config.admin_site.StaffAdminSite"

    def ready(self) -> None:
        """Let every app register its tables, and then those that we show in our own way."""
        super().ready()
        autodiscover_modules("staff_admin", register_to=admin.site)
