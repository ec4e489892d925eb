"""API keys and service keys, from creation to revocation.

Whoever only checks a key needs the core of accounts alone.
"""

from django.apps import AppConfig


class KeysConfig(AppConfig):
    """The keys app, inside accounts.

    It has no tables: a key's row is the core's, since each request is checked against it.
    """

    name = "accounts.keys"
    label = "keys"
