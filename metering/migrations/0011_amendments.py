"""A void may name the event that replaces the voided one, which then names no other."""

from django.db import migrations

ADD = """
ALTER TABLE event_void ADD COLUMN replaced_by text, ADD COLUMN replaced_by_key bytea,
    ADD CONSTRAINT event_void_replaced_by_whole CHECK ((replaced_by IS NULL) = (replaced_by_key IS NULL)),
    ADD CONSTRAINT event_void_replaced_by_key_has_16_bytes CHECK (octet_length(replaced_by_key) = 16);
CREATE UNIQUE INDEX event_void_replaces_once ON event_void (tenant_id, is_live, replaced_by_key)
    WHERE replaced_by_key IS NOT NULL;
"""
DROP = "ALTER TABLE event_void DROP COLUMN replaced_by, DROP COLUMN replaced_by_key;"


class Migration(migrations.Migration):
    dependencies = [("metering", "0010_productcode")]
    operations = [migrations.RunSQL(ADD, DROP)]
