"""The first day of the billing periods of tenants that have a subscription."""

from django.db import migrations

ANCHORS = """
UPDATE accounts_tenant AS t SET period_anchor_on = (s.anchor_at AT TIME ZONE s.time_zone)::date
FROM billing_subscription AS s WHERE s.tenant_id = t.id AND s.ended_at IS NULL
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0015_week_and_billing_periods'),
        ('billing', '0019_merchant_of_record'),
    ]

    operations = [
        migrations.RunSQL(ANCHORS, migrations.RunSQL.noop),
    ]
