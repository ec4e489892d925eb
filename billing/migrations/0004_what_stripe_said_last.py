"""What Stripe said last, so that its changes can be told from ours, and a slow worker from a fast one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0003_payments_without_invoice"),
    ]

    operations = [
        migrations.AddField(
            model_name="billingprofile",
            name="stripe_revision",
            field=models.PositiveIntegerField(
                default=0,
                editable=False,
                help_text="How often what Stripe said was applied: who applies says which they saw.",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="stripe_status",
            field=models.CharField(blank=True, editable=False, help_text="As Stripe said it last.", max_length=20),
        ),
        migrations.AddField(
            model_name="subscription",
            name="is_cancelled_at_stripe",
            field=models.BooleanField(
                default=False,
                editable=False,
                help_text="Whether Stripe said last that its agreement ends with its period.",
            ),
        ),
    ]
