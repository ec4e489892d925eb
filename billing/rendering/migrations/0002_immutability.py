"""A picture that documents name stays as it is, also for the owner of the tables."""

from django.db import migrations

TRIGGER = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON rendering_logo
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("rendering", "0001_initial"),
        ("accounts", "0009_idempotencyrecord_tenant_id"),
    ]

    operations = [migrations.RunSQL(TRIGGER, "DROP TRIGGER refuse_change ON rendering_logo")]
