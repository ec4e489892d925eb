"""Tables and functions by which months of raw events go (docs/decisions/0021-retention-of-events.md)."""

from pathlib import Path

from django.db import migrations, models

RETENTION = Path(__file__).with_name("retention.sql").read_text()
DROP = """
DROP FUNCTION ledger_delete_event_partition(date, timestamptz);
DROP TABLE event_month, sealed_ledger, sealed_rollup, sealed_usage;
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0004_partition_row_security")]
    operations = [
        migrations.RunSQL(RETENTION, DROP),
        migrations.CreateModel(
            name='EventMonth',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='The first day of the month, in UTC.')),
                ('step', models.CharField(choices=[('closed', 'Closed: nothing is added to it or voided'), ('sealed', 'Sealed: the rollups are the evidence'), ('deleted', 'Deleted: the raw events are gone')], max_length=7)),
                ('at', models.DateTimeField()),
                ('events', models.BigIntegerField(default=0)),
                ('voids', models.BigIntegerField(default=0)),
            ],
            options={
                'verbose_name': 'month of raw events',
                'verbose_name_plural': 'months of raw events',
                'db_table': 'event_month',
                'ordering': ['-month', '-at'],
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='SealedLedger',
            fields=[
                ('tenant_id', models.UUIDField()),
                ('is_live', models.BooleanField()),
                ('pk', models.CompositePrimaryKey('tenant_id', 'is_live', 'month', blank=True, editable=False, primary_key=True, serialize=False)),
                ('month', models.DateField()),
                ('sealed_at', models.DateTimeField()),
                ('events', models.BigIntegerField()),
                ('voids', models.BigIntegerField()),
                ('days_from', models.DateField()),
                ('days_since', models.DateTimeField()),
            ],
            options={
                'db_table': 'sealed_ledger',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='SealedRollup',
            fields=[
                ('tenant_id', models.UUIDField()),
                ('is_live', models.BooleanField()),
                ('pk', models.CompositePrimaryKey('tenant_id', 'is_live', 'month', 'meter_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('month', models.DateField()),
                ('meter_id', models.BigIntegerField()),
                ('quantity', models.DecimalField(decimal_places=30, max_digits=65)),
                ('events', models.BigIntegerField()),
                ('hours_digest', models.CharField(max_length=64)),
                ('days_digest', models.CharField(max_length=64)),
            ],
            options={
                'db_table': 'sealed_rollup',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='SealedUsage',
            fields=[
                ('tenant_id', models.UUIDField()),
                ('is_live', models.BooleanField()),
                ('pk', models.CompositePrimaryKey('tenant_id', 'is_live', 'meter_id', 'start_at', 'end_at', 'known_at', 'voids_at', blank=True, editable=False, primary_key=True, serialize=False)),
                ('meter_id', models.BigIntegerField()),
                ('start_at', models.DateTimeField()),
                ('end_at', models.DateTimeField()),
                ('known_at', models.DateTimeField()),
                ('voids_at', models.DateTimeField()),
                ('quantity', models.DecimalField(decimal_places=30, max_digits=65)),
                ('events', models.BigIntegerField()),
            ],
            options={
                'db_table': 'sealed_usage',
                'managed': False,
            },
        ),
    ]
