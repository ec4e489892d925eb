"""Triggers that keep what was sold and invoiced, and the one row of the issuer."""

from pathlib import Path

from django.db import migrations

IMMUTABILITY = Path(__file__).with_name("immutability.sql").read_text()
DROP = """
DROP FUNCTION billing_keep_finalized_invoice() CASCADE;
DROP FUNCTION billing_refuse_late_line() CASCADE;
"""


def add_issuer(apps, schema_editor):
    """Staff fill it in; an invoice can be made before they have."""
    apps.get_model("billing", "Issuer").objects.create(id=1)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_history"), ("billing", "0001_initial")]
    operations = [
        migrations.RunSQL(IMMUTABILITY, DROP),
        migrations.RunPython(add_issuer, migrations.RunPython.noop),
    ]
