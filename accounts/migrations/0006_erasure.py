"""When a person was erased, and the functions that put a pseudonym into history (docs/decisions/0018-erasure.md)."""

from pathlib import Path

from django.db import migrations, models

ERASURE = Path(__file__).with_name("erasure.sql").read_text()
DROP = """
DROP FUNCTION audit_forget_person(bigint);
DROP FUNCTION refuse_unless_erased(bigint);
DROP FUNCTION json_without_person(jsonb, text[], text);
DROP FUNCTION text_without_person(text, text[], text);
DROP FUNCTION person_addresses(bigint);
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_discrepancies"), ("account", "0001_initial")]
    operations = [
        migrations.AddField("user", "erased_at", models.DateTimeField(null=True, editable=False)),
        migrations.RunSQL(ERASURE, DROP),
    ]
