"""Each line bears its tax, and an invoice has a row for each of them.

Lines from before bear the tax of their invoice and have no day of supply, by which they are known (decision 0020).
"""

from pathlib import Path

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models


LINE_TAXES = Path(__file__).with_name("line_taxes.sql").read_text()


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0009_idempotencyrecord_tenant_id'),
        ('billing', '0004_fee_refunds'),
        ('metering', '0004_partition_row_security'),
    ]

    operations = [
        migrations.CreateModel(
            name='InvoiceTax',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('revision', models.PositiveIntegerField()),
                ('position', models.PositiveIntegerField(help_text='Counted from 1.')),
                ('jurisdiction', models.CharField(blank=True, max_length=2)),
                ('category', models.CharField(choices=[('S', 'Standard'), ('E', 'Exempt'), ('AE', 'Reverse charge'), ('O', 'Out of scope')], help_text='Code of UNCL 5305.', max_length=2)),
                ('treatment', models.CharField(max_length=14)),
                ('name', models.CharField(blank=True, max_length=40)),
                ('percent', models.DecimalField(decimal_places=4, max_digits=7)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('base_minor', models.BigIntegerField()),
                ('tax_minor', models.BigIntegerField()),
            ],
            options={
                'ordering': ['invoice', 'revision', 'position'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='creditnote',
            name='credit_note_total_is_sum',
        ),
        migrations.RemoveConstraint(
            model_name='invoice',
            name='invoice_total_is_sum',
        ),
        migrations.RemoveConstraint(
            model_name='invoiceline',
            name='invoice_line_adjustment_has_line',
        ),
        migrations.AddField(
            model_name='creditnote',
            name='carried_minor',
            field=models.BigIntegerField(default=0, help_text='Credit that it used (negative) or kept (positive).'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='carried_minor',
            field=models.BigIntegerField(default=0, help_text='Credit: negative if it was deducted after tax, positive if it is kept for later invoices.'),
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='supplied_on',
            field=models.DateField(help_text='The day of supply, which determines the tax. Empty on lines from before.', null=True),
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='tax_category',
            field=models.CharField(blank=True, choices=[('S', 'Standard'), ('E', 'Exempt'), ('AE', 'Reverse charge'), ('O', 'Out of scope')], help_text='Code of UNCL 5305.', max_length=2),
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='tax_jurisdiction',
            field=models.CharField(blank=True, max_length=2),
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='tax_name',
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='tax_percent',
            field=models.DecimalField(decimal_places=4, default=0, max_digits=7),
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='tax_reason',
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='tax_treatment',
            field=models.CharField(blank=True, max_length=14),
        ),
        migrations.AddField(
            model_name='invoicetax',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='taxes', to='billing.invoice'),
        ),
        migrations.RunSQL(LINE_TAXES, migrations.RunSQL.noop),
        migrations.RemoveField(
            model_name='invoice',
            name='tax_name',
        ),
        migrations.RemoveField(
            model_name='invoice',
            name='tax_note',
        ),
        migrations.RemoveField(
            model_name='invoice',
            name='tax_percent',
        ),
        migrations.RemoveField(
            model_name='invoice',
            name='tax_treatment',
        ),
        migrations.AddConstraint(
            model_name='creditnote',
            constraint=models.CheckConstraint(condition=models.Q(('total_minor', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('subtotal_minor'), '+', models.F('tax_minor')), '+', models.F('carried_minor')))), name='credit_note_total_is_sum'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('total_minor', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('subtotal_minor'), '+', models.F('tax_minor')), '+', models.F('carried_minor')))), name='invoice_total_is_sum'),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('adjusts__isnull', False), ('kind', 'adjustment')), ('kind', 'proration'), models.Q(models.Q(('kind__in', ['adjustment', 'proration']), _negated=True), ('adjusts', None)), _connector='OR'), name='invoice_line_adjustment_has_line'),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'carry'), ('tax_category', '')), ('tax_category__in', ['S', 'E', 'AE', 'O']), _connector='OR'), name='invoice_line_tax_known'),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'carry'), _negated=True), ('tax_category', ''), ('supplied_on', None), _connector='OR'), name='invoice_line_carry_bears_no_tax'),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.CheckConstraint(condition=models.Q(('tax_percent__gte', 0), ('tax_percent__lte', 100)), name='invoice_line_tax_percent_bounded'),
        ),
        migrations.AddConstraint(
            model_name='invoicetax',
            constraint=models.UniqueConstraint(fields=('invoice', 'revision', 'position'), name='invoice_tax_once'),
        ),
        migrations.AddConstraint(
            model_name='invoicetax',
            constraint=models.UniqueConstraint(fields=('invoice', 'revision', 'jurisdiction', 'category', 'name', 'percent'), name='invoice_tax_one_per_rate'),
        ),
        migrations.AddConstraint(
            model_name='invoicetax',
            constraint=models.CheckConstraint(condition=models.Q(('position__gte', 1)), name='invoice_tax_from_one'),
        ),
        migrations.AddConstraint(
            model_name='invoicetax',
            constraint=models.CheckConstraint(condition=models.Q(('category__in', ['S', 'E', 'AE', 'O'])), name='invoice_tax_category_known'),
        ),
        migrations.AddConstraint(
            model_name='invoicetax',
            constraint=models.CheckConstraint(condition=models.Q(('percent__gte', 0), ('percent__lte', 100)), name='invoice_tax_percent_bounded'),
        ),
    ]
