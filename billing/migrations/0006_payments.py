"""Part payments: what each payment pays for, what was given back, and whose money came without an invoice."""

from pathlib import Path

import billing.domain.statuses
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


DROP = "DROP FUNCTION billing_keep_payment() CASCADE;"


def sql(name):
    return Path(__file__).with_name(f"{name}.sql").read_text()


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0009_idempotencyrecord_tenant_id'),
        ('billing', '0005_line_taxes'),
    ]

    operations = [
        migrations.CreateModel(
            name='PaymentAllocation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('amount_minor', models.BigIntegerField()),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField()),
                ('created_by', models.CharField(max_length=254)),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='PaymentRefund',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('way', models.CharField(choices=[('provider', 'By the payment provider'), ('bank_transfer', 'By bank transfer'), ('other', 'In another way')], max_length=13)),
                ('reference', models.CharField(blank=True, max_length=255)),
                ('amount_minor', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3, validators=[django.core.validators.RegexValidator('^[A-Z]{3}\\Z', 'Three capitals, as in ISO 4217.')])),
                ('reason', models.CharField(max_length=200)),
                ('occurred_at', models.DateTimeField()),
                ('created_at', models.DateTimeField()),
                ('created_by', models.CharField(max_length=254)),
            ],
            options={
                'ordering': ['-occurred_at', '-id'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='payment',
            name='payment_one_success',
        ),
        migrations.AddField(
            model_name='invoice',
            name='amount_paid_minor',
            field=models.BigIntegerField(default=0, help_text='The amount that payments cover.'),
        ),
        migrations.AddField(
            model_name='invoice',
            name='credited_minor',
            field=models.BigIntegerField(default=0, help_text='The amount that credit notes credited.'),
        ),
        migrations.AddField(
            model_name='payment',
            name='allocated_minor',
            field=models.BigIntegerField(default=0, help_text='The part that pays invoices.'),
        ),
        migrations.AddField(
            model_name='payment',
            name='refunded_minor',
            field=models.BigIntegerField(default=0, help_text='The part that was refunded.'),
        ),
        migrations.AddField(
            model_name='payment',
            name='tenant',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='accounts.tenant'),
        ),
        migrations.AlterField(
            model_name='billingexception',
            name='payment',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='exceptions', to='billing.payment'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='invoice',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='billing.invoice'),
        ),
        migrations.AddField(
            model_name='paymentallocation',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allocations', to='billing.invoice'),
        ),
        migrations.AddField(
            model_name='paymentallocation',
            name='payment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='allocations', to='billing.payment'),
        ),
        migrations.AddField(
            model_name='paymentallocation',
            name='reverses',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reversals', to='billing.paymentallocation'),
        ),
        migrations.AddField(
            model_name='paymentallocation',
            name='tenant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payment_allocations', to='accounts.tenant'),
        ),
        migrations.AddField(
            model_name='paymentrefund',
            name='payment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='billing.payment'),
        ),
        migrations.AddField(
            model_name='paymentrefund',
            name='tenant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='accounts.tenant'),
        ),
        migrations.RunSQL(sql("payments_before"), migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='payment',
            name='tenant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='accounts.tenant'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(condition=models.Q(models.Q(('status', 'failed'), _negated=True), ('amount_minor__gt', django.db.models.expressions.CombinedExpression(models.F('allocated_minor'), '+', models.F('refunded_minor')))), fields=['tenant'], name='payment_with_money_left'),
        ),
        migrations.AddConstraint(
            model_name='billingexception',
            constraint=models.UniqueConstraint(condition=models.Q(('resolved_at', None)), fields=('payment',), name='billing_exception_payment_open_once'),
        ),
        migrations.AddConstraint(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(('amount_paid_minor__gte', 0), ('credited_minor__gte', 0), ('total_minor__gte', django.db.models.expressions.CombinedExpression(models.F('amount_paid_minor'), '+', models.F('credited_minor')))), name='invoice_total_not_overpaid'),
        ),
        AddConstraintNotValid(
            model_name='invoice',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', billing.domain.statuses.InvoiceStatus['PAID']), _negated=True), ('total_minor', django.db.models.expressions.CombinedExpression(models.F('amount_paid_minor'), '+', models.F('credited_minor'))), _connector='OR'), name='invoice_paid_is_settled'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('allocated_minor__gte', 0), ('refunded_minor__gte', 0), ('amount_minor__gte', django.db.models.expressions.CombinedExpression(models.F('allocated_minor'), '+', models.F('refunded_minor')))), name='payment_not_overspent'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'failed'), _negated=True), models.Q(('allocated_minor', 0), ('refunded_minor', 0)), _connector='OR'), name='payment_failed_pays_nothing'),
        ),
        migrations.AddConstraint(
            model_name='paymentallocation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('amount_minor__gt', 0), ('reverses', None)), models.Q(('amount_minor__lt', 0), ('reverses__isnull', False)), _connector='OR'), name='payment_allocation_reverses_what_it_takes_back'),
        ),
        migrations.AddConstraint(
            model_name='paymentrefund',
            constraint=models.UniqueConstraint(condition=models.Q(('reference', ''), _negated=True), fields=('payment', 'way', 'reference'), name='refund_once'),
        ),
        migrations.AddConstraint(
            model_name='paymentrefund',
            constraint=models.CheckConstraint(condition=models.Q(('way__in', ['provider', 'bank_transfer', 'other'])), name='refund_way_known'),
        ),
        migrations.AddConstraint(
            model_name='paymentrefund',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='refund_gives_something_back'),
        ),
        migrations.AddConstraint(
            model_name='paymentrefund',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='refund_has_reason'),
        ),
        migrations.RunSQL(sql("payments"), DROP),
    ]
