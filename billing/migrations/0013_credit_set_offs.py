"""Credit that pays invoices: which, of which subscription."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0010_address_in_use'),
        ('billing', '0012_documents'),
    ]

    operations = [
        migrations.CreateModel(
            name='CreditSetOff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('amount_minor', models.BigIntegerField()),
                ('created_at', models.DateTimeField()),
                ('exception', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='set_offs', to='billing.billingexception')),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='set_offs', to='billing.invoice')),
                ('reverses', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reversals', to='billing.creditsetoff')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='set_offs', to='accounts.tenant')),
            ],
            options={
                'verbose_name': 'set-off',
                'ordering': ['-created_at', '-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('amount_minor__gt', 0), ('reverses', None)), models.Q(('amount_minor__lt', 0), ('reverses__isnull', False)), _connector='OR'), name='set_off_reverses_what_it_takes_back')],
            },
        ),
        migrations.RunSQL(
            "CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON billing_creditsetoff"
            " FOR EACH ROW EXECUTE FUNCTION refuse_change()",
            "DROP TRIGGER refuse_change ON billing_creditsetoff",
        ),
    ]
