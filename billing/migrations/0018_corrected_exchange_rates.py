"""Exchange rates are corrected by a later version."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0017_next_invoice_items'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='exchangerate',
            options={'ordering': ['-day', 'per', 'currency', '-version']},
        ),
        migrations.RemoveConstraint(
            model_name='exchangerate',
            name='exchange_rate_once_a_day',
        ),
        migrations.AddField(
            model_name='exchangerate',
            name='reason',
            field=models.CharField(blank=True, editable=False, help_text='Of a correction.', max_length=200),
        ),
        migrations.AddField(
            model_name='exchangerate',
            name='version',
            field=models.PositiveSmallIntegerField(default=1, editable=False),
        ),
        migrations.AddConstraint(
            model_name='exchangerate',
            constraint=models.UniqueConstraint(fields=('per', 'currency', 'day', 'version'), name='exchange_rate_once_a_day', violation_error_message='The rate of this day is known.'),
        ),
        migrations.AddConstraint(
            model_name='exchangerate',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('reason', ''), ('version', 1)), models.Q(('version__gt', 1), models.Q(('reason', ''), _negated=True)), _connector='OR'), name='exchange_rate_correction_has_reason'),
        ),
    ]
