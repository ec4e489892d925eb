"""The composition of the application: its commands, its checks and the staff admin."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConfigConfig(AppConfig):
    """Holds the commands and checks that concern every app."""

    name = "config"
    verbose_name = "Countinghouse"


class StaffAdminConfig(AdminConfig):
    """The admin, on our own site class."""

    default_site = "config.admin_site.StaffAdminSite"
