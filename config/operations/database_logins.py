"""Two logins to one database: the owner's, which changes the schema, and the application's, which owns nothing.

If only `DATABASE_URL` is set, it is the owner's, and the application's is derived from it. A process that is given the
application's login never learns the owner's (decision 0017).
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment

ROLE_SUFFIX: Final = "_app"

Login = Mapping[str, Any]
"""Django's settings of a connection: NAME, USER, PASSWORD, HOST, PORT and OPTIONS."""


@dataclass(frozen=True)
class DatabaseLogins:
    """The logins of the application and of `migrate`; None if this process does not know it."""

    application: Login = field(repr=False)
    owner: Login | None = field(repr=False)

    @property
    def role(self) -> str:
        """Return the name of the application's role."""
        return str(self.application["USER"])


def database_logins(environment: Environment, *, embedded: Login | None, secret_key: str) -> DatabaseLogins:
    """Read both logins; `embedded` is the owner's login to the embedded PostgreSQL, if no other is named.

    Raises `ImproperlyConfigured` if the two contradict each other.
    """
    given = embedded if embedded is not None else environment.database("DATABASE_URL")
    role = environment.text("DATABASE_ROLE") or f"{given['NAME']}{ROLE_SUFFIX}"
    if environment.text("DATABASE_OWNER_URL") and embedded is None:
        owner = environment.database("DATABASE_OWNER_URL")
        if (environment.text("DATABASE_ROLE") or given["USER"]) != given["USER"] or owner["USER"] == given["USER"]:
            raise ImproperlyConfigured(
                "DATABASE_URL and DATABASE_OWNER_URL are both set: DATABASE_URL must log in as the application's own"
                " role (DATABASE_ROLE, if that is set), and DATABASE_OWNER_URL as another one, which owns the tables."
            )
        return DatabaseLogins(application=given, owner=owner)
    if given["USER"] == role:
        return DatabaseLogins(application=given, owner=None)
    own = {"USER": role, "PASSWORD": _derived_password(secret_key, role)}
    return DatabaseLogins(application={**given, **own}, owner=given)


def _derived_password(secret_key: str, role: str) -> str:
    """Return a password that only a holder of the signing secret can compute; `migrate` sets it for the role."""
    return hmac.new(secret_key.encode(), f"countinghouse database login {role}".encode(), hashlib.sha256).hexdigest()
