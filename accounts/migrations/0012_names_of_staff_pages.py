from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0011_api_key_name'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='circuit',
            options={'ordering': ['name'], 'verbose_name': 'external service'},
        ),
        migrations.AlterModelOptions(
            name='discrepancy',
            options={'ordering': ['-opened_at', '-id'], 'verbose_name': 'difference'},
        ),
    ]
