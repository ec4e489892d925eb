"""A trigger that keeps alerts as they were raised."""

from pathlib import Path

from django.db import migrations

HISTORY = Path(__file__).with_name("history.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_history"), ("alerts", "0001_initial")]
    operations = [migrations.RunSQL(HISTORY, "DROP TRIGGER refuse_change ON alerts_thresholdalert")]
