"""Single items that wait for a customer's next invoice."""

from pathlib import Path

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0011_api_key_name'),
        ('billing', '0016_plain_words'),
    ]

    operations = [
        migrations.CreateModel(
            name='SingleItem',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('description', models.CharField(max_length=300)),
                ('quantity', models.DecimalField(decimal_places=9, max_digits=21)),
                ('unit', models.CharField(blank=True, max_length=30)),
                ('unit_price', models.DecimalField(decimal_places=12, help_text='Below 0 it is a credit.', max_digits=24)),
                ('first_on', models.DateField()),
                ('last_on', models.DateField()),
                ('tax_category', models.CharField(blank=True, choices=[('', 'As for all that the customer buys'), ('O', 'Outside the scope')], max_length=1)),
                ('amount_minor', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3, validators=[django.core.validators.RegexValidator('^[A-Z]{3}\\Z', 'Three capitals, as in ISO 4217.')])),
                ('reason', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField()),
                ('created_by', models.CharField(max_length=254)),
                ('cancelled_at', models.DateTimeField(null=True)),
                ('cancelled_by', models.CharField(blank=True, max_length=254)),
                ('invoice', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='single_items', to='billing.invoice')),
                ('subscription', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='single_items', to='billing.subscription')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='single_items', to='accounts.tenant')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
                'indexes': [models.Index(condition=models.Q(('cancelled_at', None), ('invoice', None)), fields=['subscription'], name='single_item_waiting')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('amount_minor__gt', 0), ('unit_price__gt', 0)), models.Q(('amount_minor__lt', 0), ('unit_price__lt', 0)), _connector='OR'), name='single_item_of_something'), models.CheckConstraint(condition=models.Q(('quantity__gt', 0)), name='single_item_has_quantity'), models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='single_item_has_reason'), models.CheckConstraint(condition=models.Q(('last_on__gte', models.F('first_on'))), name='single_item_days_in_order'), models.CheckConstraint(condition=models.Q(('tax_category__in', ['', 'O'])), name='single_item_category_known'), models.CheckConstraint(condition=models.Q(('cancelled_at', None), ('invoice', None), _connector='OR'), name='single_item_taken_or_cancelled')],
            },
        ),
        migrations.RunSQL(
            Path(__file__).with_name("single_items.sql").read_text(encoding="utf-8"),
            "DROP TRIGGER keep_single_item ON billing_singleitem; DROP FUNCTION billing_keep_single_item()",
        ),
    ]
