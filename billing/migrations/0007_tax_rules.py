"""A rate has its days and its reason, the seller its registrations, and staff confirm the tax rules once."""

import billing.domain.tax
import billing.taxlaw.domain.tax_rules
import django.core.validators
from django.db import migrations, models

EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()


def carry_over(apps, schema_editor):
    """Rates of 0 get a reason; a seller of the EU that charged other member states' rates did as in the one-stop shop."""
    rates = apps.get_model("billing", "TaxRate").objects
    for rate in rates.filter(percent=0):
        rate.category, rate.reason = "Z", f"{rate.name} 0 %."
        rate.save(update_fields=["category", "reason"])
    issuer = apps.get_model("billing", "Issuer").objects.filter(country__in=EU).first()
    if issuer is not None and rates.filter(country__in=EU, percent__gt=0).exclude(country=issuer.country).exists():
        apps.get_model("billing", "TaxRegistration").objects.create(country=issuer.country, scheme="oss_union")


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0006_payments'),
        ('metering', '0004_partition_row_security'),
    ]

    operations = [
        migrations.CreateModel(
            name='TaxRegistration',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('country', models.CharField(help_text='Of a one-stop shop: where it is declared.', max_length=2, validators=[django.core.validators.RegexValidator('^[A-Z]{2}\\Z', 'Two capitals, as in ISO 3166-1.')])),
                ('scheme', models.CharField(choices=[('local', 'Registered there, without an establishment'), ('establishment', 'Establishment that supplies from there'), ('oss_union', 'One-stop shop, Union scheme'), ('oss_non_union', 'One-stop shop, non-Union scheme'), ('small', 'Below 10,000 EUR a year to consumers of other member states')], max_length=13)),
                ('tax_id', models.CharField(blank=True, max_length=50, verbose_name='tax id')),
                ('valid_from', models.DateField(blank=True, null=True, verbose_name='from')),
                ('valid_until', models.DateField(blank=True, null=True, verbose_name='until')),
            ],
            options={
                'ordering': ['country', 'scheme'],
            },
        ),
        migrations.AlterModelOptions(
            name='taxrate',
            options={'ordering': ['country', models.OrderBy(models.F('valid_from'), descending=True, nulls_last=True)]},
        ),
        migrations.RemoveConstraint(
            model_name='invoiceline',
            name='invoice_line_tax_known',
        ),
        migrations.RemoveConstraint(
            model_name='invoicetax',
            name='invoice_tax_category_known',
        ),
        migrations.AddField(
            model_name='issuer',
            name='tax_rules_confirmed_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='issuer',
            name='tax_rules_confirmed_by',
            field=models.CharField(blank=True, editable=False, max_length=254),
        ),
        migrations.AddField(
            model_name='issuer',
            name='tax_rules_confirmed_country',
            field=models.CharField(blank=True, editable=False, max_length=2),
        ),
        migrations.AddField(
            model_name='issuer',
            name='unverified_tax_ids',
            field=models.CharField(choices=[('mark', 'Reverse charge, with a mark on the invoice'), ('tax', 'Tax, as for a consumer')], default='mark', help_text='How a business in another member state is taxed until its VAT number is verified.', max_length=4, verbose_name='unverified VAT numbers'),
        ),
        migrations.AddField(
            model_name='taxrate',
            name='category',
            field=models.CharField(choices=[('S', 'Taxed'), ('Z', 'Zero-rated'), ('E', 'Exempt')], default='S', help_text='For a rate of 0 %: the reason.', max_length=2),
        ),
        migrations.AddField(
            model_name='taxrate',
            name='reason',
            field=models.CharField(blank=True, help_text='For a rate of 0 %: the text on invoices.', max_length=200),
        ),
        migrations.AddField(
            model_name='taxrate',
            name='valid_from',
            field=models.DateField(blank=True, help_text='The first day of supply to which the rate applies. Empty: no beginning.', null=True, verbose_name='from'),
        ),
        migrations.AlterField(
            model_name='invoiceline',
            name='tax_category',
            field=models.CharField(blank=True, choices=[('S', 'Standard'), ('Z', 'Zero'), ('E', 'Exempt'), ('AE', 'Reverse charge'), ('O', 'Out of scope')], help_text='Code of UNCL 5305.', max_length=2),
        ),
        migrations.AlterField(
            model_name='invoicetax',
            name='category',
            field=models.CharField(choices=[('S', 'Standard'), ('Z', 'Zero'), ('E', 'Exempt'), ('AE', 'Reverse charge'), ('O', 'Out of scope')], help_text='Code of UNCL 5305.', max_length=2),
        ),
        migrations.AlterField(
            model_name='taxrate',
            name='country',
            field=models.CharField(max_length=2, validators=[django.core.validators.RegexValidator('^[A-Z]{2}\\Z', 'Two capitals, as in ISO 3166-1.')]),
        ),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'carry'), ('tax_category', '')), ('tax_category__in', [billing.domain.tax.TaxCategory['STANDARD'], billing.domain.tax.TaxCategory['ZERO'], billing.domain.tax.TaxCategory['EXEMPT'], billing.domain.tax.TaxCategory['REVERSE_CHARGE'], billing.domain.tax.TaxCategory['OUT_OF_SCOPE']]), _connector='OR'), name='invoice_line_tax_known'),
        ),
        migrations.AddConstraint(
            model_name='invoicetax',
            constraint=models.CheckConstraint(condition=models.Q(('category__in', [billing.domain.tax.TaxCategory['STANDARD'], billing.domain.tax.TaxCategory['ZERO'], billing.domain.tax.TaxCategory['EXEMPT'], billing.domain.tax.TaxCategory['REVERSE_CHARGE'], billing.domain.tax.TaxCategory['OUT_OF_SCOPE']])), name='invoice_tax_category_known'),
        ),
        migrations.AddConstraint(
            model_name='issuer',
            constraint=models.CheckConstraint(condition=models.Q(('unverified_tax_ids__in', [billing.taxlaw.domain.tax_rules.UnverifiedTaxIds['MARK'], billing.taxlaw.domain.tax_rules.UnverifiedTaxIds['TAX']])), name='issuer_unverified_tax_ids_known'),
        ),
        migrations.AddConstraint(
            model_name='issuer',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('tax_rules_confirmed_at', None), ('tax_rules_confirmed_by', ''), ('tax_rules_confirmed_country', '')), models.Q(('tax_rules_confirmed_at__isnull', False), models.Q(('tax_rules_confirmed_country', ''), _negated=True), models.Q(('tax_rules_confirmed_by', ''), _negated=True)), _connector='OR'), name='issuer_confirmation_says_who'),
        ),
        migrations.AddConstraint(
            model_name='taxrate',
            constraint=models.UniqueConstraint(fields=('country', 'valid_from'), name='tax_rate_once_a_day', nulls_distinct=False, violation_error_message='The country has a row that begins on this day.'),
        ),
        migrations.AddConstraint(
            model_name='taxrate',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(models.Q(('percent', 0), _negated=True), ('category', billing.domain.tax.TaxCategory['STANDARD'])), models.Q(('category__in', [billing.domain.tax.TaxCategory['ZERO'], billing.domain.tax.TaxCategory['EXEMPT']]), ('percent', 0), models.Q(('reason', ''), _negated=True)), _connector='OR'), name='tax_rate_of_zero_has_reason', violation_error_message='A rate of 0 %% is zero-rated or exempt and has a reason; others are taxed.'),
        ),
        migrations.AddConstraint(
            model_name='taxregistration',
            constraint=models.UniqueConstraint(fields=('country', 'scheme', 'valid_from'), name='tax_registration_once', nulls_distinct=False, violation_error_message='The same registration begins on this day already.'),
        ),
        migrations.AddConstraint(
            model_name='taxregistration',
            constraint=models.CheckConstraint(condition=models.Q(('scheme__in', [billing.taxlaw.domain.tax_rules.TaxScheme['LOCAL'], billing.taxlaw.domain.tax_rules.TaxScheme['ESTABLISHMENT'], billing.taxlaw.domain.tax_rules.TaxScheme['OSS_UNION'], billing.taxlaw.domain.tax_rules.TaxScheme['OSS_NON_UNION'], billing.taxlaw.domain.tax_rules.TaxScheme['SMALL']])), name='tax_registration_scheme_known'),
        ),
        migrations.AddConstraint(
            model_name='taxregistration',
            constraint=models.CheckConstraint(condition=models.Q(('valid_from', None), ('valid_until', None), ('valid_until__gte', models.F('valid_from')), _connector='OR'), name='tax_registration_days_in_order', violation_error_message='It ends after it begins.'),
        ),
    ]
