"""The function that takes a person out of voids (docs/decisions/0018-erasure.md)."""

from pathlib import Path

from django.db import migrations

ERASURE = Path(__file__).with_name("erasure.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("metering", "0002_ledger"), ("accounts", "0006_erasure")]
    operations = [migrations.RunSQL(ERASURE, "DROP FUNCTION ledger_forget_person(bigint)")]
