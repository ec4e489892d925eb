"""A trigger that keeps what was told as it was told."""

from pathlib import Path

from django.db import migrations

HISTORY = Path(__file__).with_name("history.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_history"), ("notices", "0001_initial")]
    operations = [migrations.RunSQL(HISTORY, "DROP TRIGGER refuse_change ON notices_outboxevent")]
