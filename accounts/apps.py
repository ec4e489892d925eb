"""Users, tenants, members and roles, keys, the audit log, idempotency keys."""

from django.apps import AppConfig

from accounts.database.lookups import send_many_as_one_array


class AccountsConfig(AppConfig):
    """The accounts app."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Prepare what every query of the process uses."""
        send_many_as_one_array()
