"""Drop indexes that another index begins with, and keep those of rare columns for the rows that have one."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0014_key_use'),
        ('ledger', '0003_plain_words'),
    ]

    operations = [
        migrations.AlterField(
            model_name='journalentry',
            name='tenant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='journal_entries', to='accounts.tenant'),
        ),
        migrations.AlterField(
            model_name='posting',
            name='tenant',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.tenant'),
        ),
    ]
