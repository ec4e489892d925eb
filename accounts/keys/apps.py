"""API keys and service keys, from creation to revocation.

Code that only checks keys needs just the core of accounts.
"""

from django.apps import AppConfig


class KeysConfig(AppConfig):
    """The keys app, inside accounts.

    It has no tables: a key's row belongs to the core, since each request is checked against it.
    """

    name = "accounts.keys"
    label = "keys"
