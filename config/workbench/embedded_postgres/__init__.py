"""PostgreSQL without a set-up: found, initialised, started and stopped for this checkout.

Used if DATABASE_URL is unset, and by the tests for their throw-away cluster. The server
listens only on a socket in a private directory, and "running" always means that a
connection was just made.
"""

from config.workbench.embedded_postgres.errors import EmbeddedPostgresError
from config.workbench.embedded_postgres.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]
