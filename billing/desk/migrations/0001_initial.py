"""Four eyes: what staff ask for and a colleague approves; and write-offs."""

from pathlib import Path

import billing.desk.domain.approvals
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


DROP = "DROP FUNCTION desk_keep_approval() CASCADE;"


def sql(name):
    return Path(__file__).with_name(f"{name}.sql").read_text()


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0009_idempotencyrecord_tenant_id'),
        ('billing', '0011_approval_limit'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('write_off', 'Write off'), ('refund', 'Refund')], max_length=20)),
                ('status', models.CharField(choices=[('open', 'Open'), ('approved', 'Approved'), ('rejected', 'Rejected'), ('withdrawn', 'Withdrawn'), ('lapsed', 'Lapsed')], default='open', max_length=9)),
                ('amount_minor', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3, validators=[django.core.validators.RegexValidator('^[A-Z]{3}\\Z', 'Three capitals, as in ISO 4217.')])),
                ('details', models.JSONField(default=dict)),
                ('reason', models.CharField(max_length=200)),
                ('requested_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('decided_at', models.DateTimeField(null=True)),
                ('decision_reason', models.CharField(blank=True, max_length=200)),
                ('decider', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('invoice', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='billing.invoice')),
                ('payment', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='billing.payment')),
                ('requester', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='accounts.tenant')),
            ],
            options={
                'ordering': ['-requested_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='WriteOff',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('amount_minor', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3, validators=[django.core.validators.RegexValidator('^[A-Z]{3}\\Z', 'Three capitals, as in ISO 4217.')])),
                ('reason', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField()),
                ('created_by', models.CharField(max_length=254)),
                ('approval', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='write_off', to='desk.approval')),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='write_offs', to='billing.invoice')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='write_offs', to='accounts.tenant')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', [billing.desk.domain.approvals.ApprovalKind['WRITE_OFF'], billing.desk.domain.approvals.ApprovalKind['REFUND']])), name='approval_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', [billing.desk.domain.approvals.ApprovalStatus['OPEN'], billing.desk.domain.approvals.ApprovalStatus['APPROVED'], billing.desk.domain.approvals.ApprovalStatus['REJECTED'], billing.desk.domain.approvals.ApprovalStatus['WITHDRAWN'], billing.desk.domain.approvals.ApprovalStatus['LAPSED']])), name='approval_status_known'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='approval_of_something'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='approval_has_reason'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('status', billing.desk.domain.approvals.ApprovalStatus['OPEN'])), models.Q(models.Q(('status', billing.desk.domain.approvals.ApprovalStatus['OPEN']), _negated=True), ('decided_at__isnull', False)), _connector='OR'), name='approval_decided_has_time'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', billing.desk.domain.approvals.ApprovalStatus['APPROVED']), _negated=True), models.Q(('decider__isnull', False), models.Q(('decider', models.F('requester')), _negated=True)), _connector='OR'), name='approval_by_another'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.UniqueConstraint(condition=models.Q(('invoice__isnull', False), ('status', billing.desk.domain.approvals.ApprovalStatus['OPEN'])), fields=('kind', 'invoice'), name='approval_of_invoice_open_once'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.UniqueConstraint(condition=models.Q(('payment__isnull', False), ('status', billing.desk.domain.approvals.ApprovalStatus['OPEN'])), fields=('kind', 'payment'), name='approval_of_payment_open_once'),
        ),
        migrations.AddConstraint(
            model_name='writeoff',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='write_off_of_something'),
        ),
        migrations.AddConstraint(
            model_name='writeoff',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='write_off_has_reason'),
        ),
        migrations.RunSQL(sql("approvals"), DROP),
    ]
