"""Triggers that keep what is history as it was."""

from pathlib import Path

from django.db import migrations

HISTORY = Path(__file__).with_name("history.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_cache_table")]
    operations = [migrations.RunSQL(HISTORY, "DROP FUNCTION refuse_change() CASCADE")]
