"""Triggers that keep what was signed, and the indexes by which a day of receipt is found."""

from pathlib import Path

from django.db import migrations

HISTORY = Path(__file__).with_name("history.sql").read_text()
BACK = """
DROP TRIGGER refuse_change ON proofs_proofkey;
DROP TRIGGER refuse_change ON proofs_dayroot;
DROP TRIGGER refuse_change ON proofs_leafblock;
DROP INDEX event_by_receipt;
DROP INDEX event_void_by_time;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_history"), ("metering", "0016_outages"), ("proofs", "0001_initial")]
    operations = [migrations.RunSQL(HISTORY, BACK)]
