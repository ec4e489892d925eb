"""The trigger on invoices knows every transition, not only those that go backwards."""

from pathlib import Path

from django.db import migrations

TRANSITIONS = Path(__file__).with_name("transitions.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("billing", "0004_what_stripe_said_last")]
    operations = [migrations.RunSQL(TRANSITIONS, migrations.RunSQL.noop)]
