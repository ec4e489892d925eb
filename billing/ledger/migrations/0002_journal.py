"""Triggers that keep the books balanced, closed and as they are."""

from pathlib import Path

from django.db import migrations

JOURNAL = Path(__file__).with_name("journal.sql").read_text()
DROP = """
DROP FUNCTION ledger_refuse_unbalanced() CASCADE;
DROP FUNCTION ledger_refuse_closed() CASCADE;
DROP FUNCTION ledger_open_since();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_history"), ("ledger", "0001_initial")]
    operations = [migrations.RunSQL(JOURNAL, DROP)]
