"""The table of Django's database cache: what all processes share where there is no Redis.

Unlogged, since a cache may be lost. `createcachetable` would make it too, but only by a separate command.
"""

from django.db import migrations

MAKE = """
CREATE UNLOGGED TABLE cache (
    cache_key varchar(255) NOT NULL PRIMARY KEY,
    value     text         NOT NULL,
    expires   timestamptz  NOT NULL
);
CREATE INDEX cache_expires ON cache (expires);
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL(MAKE, "DROP TABLE cache")]
