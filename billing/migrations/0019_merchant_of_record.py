"""A merchant of record may sell to a tenant: its documents are usage statements."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0018_corrected_exchange_rates'),
    ]

    operations = [
        migrations.AddField(
            model_name='billingprofile',
            name='merchant_of_record',
            field=models.CharField(blank=True, db_default='', default='', editable=False, help_text='The company that sells to the tenant in its own name and declares the tax; empty: the issuer.', max_length=40),
        ),
        migrations.AddField(
            model_name='invoice',
            name='merchant_of_record',
            field=models.CharField(blank=True, db_default='', default='', help_text='Who sold in its own name, if not the issuer.', max_length=40),
        ),
    ]
