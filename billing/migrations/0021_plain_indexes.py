"""Drop indexes that another index begins with, and keep those of rare columns for the rows that have one."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0014_key_use'),
        ('billing', '0020_period_anchors'),
        ('metering', '0012_reservations'),
    ]

    operations = [
        migrations.AlterField(
            model_name='invoice',
            name='original',
            field=models.ForeignKey(db_index=False, help_text='The invoice that was issued again.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replacements', to='billing.invoice'),
        ),
        # By its name: Django would also drop `invoice_one_draft`, which is on the same column.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "DROP INDEX billing_invoice_subscription_id_b7df633b",
                    "CREATE INDEX billing_invoice_subscription_id_b7df633b ON billing_invoice (subscription_id)",
                )
            ],
            state_operations=[
                migrations.AlterField(
                    model_name='invoice',
                    name='subscription',
                    field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='invoices', to='billing.subscription'),
                ),
            ],
        ),
        migrations.AlterField(
            model_name='invoice',
            name='tenant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='invoices', to='accounts.tenant'),
        ),
        migrations.AlterField(
            model_name='invoiceline',
            name='adjusts',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='adjustments', to='billing.invoiceline'),
        ),
        migrations.AlterField(
            model_name='invoiceline',
            name='invoice',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='billing.invoice'),
        ),
        migrations.AlterField(
            model_name='invoicetax',
            name='invoice',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='taxes', to='billing.invoice'),
        ),
        migrations.AddIndex(
            model_name='invoice',
            index=models.Index(condition=models.Q(('original__isnull', False)), fields=['original'], name='invoice_by_original'),
        ),
        migrations.AddIndex(
            model_name='invoiceline',
            index=models.Index(condition=models.Q(('adjusts__isnull', False)), fields=['adjusts'], name='invoice_line_by_adjusted'),
        ),
    ]
