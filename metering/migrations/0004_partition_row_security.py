from pathlib import Path

from django.db import migrations

FUNCTION = Path(__file__).with_name("partitions.sql").read_text()


class Migration(migrations.Migration):
    """A partition is reached through its parent alone: by itself it has row-level security and no policy."""

    dependencies = [("metering", "0003_erasure")]
    operations = [migrations.RunSQL(FUNCTION, migrations.RunSQL.noop)]
