"""Staff choose a tenant's provider, and one worker at a time releases what is charged once."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0014_key_use'),
        ('collection', '0004_provider_refunds'),
    ]

    operations = [
        migrations.AddField(
            model_name='providerinvoice',
            name='release_claimed_at',
            field=models.DateTimeField(editable=False, help_text='Since when a worker is releasing it, at a provider that is asked once.', null=True),
        ),
        migrations.CreateModel(
            name='ProviderChoice',
            fields=[
                ('tenant', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='provider_choice', serialize=False, to='accounts.tenant')),
                ('provider', models.CharField(max_length=20)),
            ],
            options={
                'ordering': ['tenant'],
                'constraints': [models.CheckConstraint(condition=models.Q(('provider', ''), _negated=True), name='provider_choice_names_one')],
            },
        ),
    ]
