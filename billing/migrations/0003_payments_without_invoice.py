"""A payment that settles no invoice is kept, and is something that a person has to look at."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0002_immutability"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="billingexception",
            name="billing_exception_open_once",
        ),
        migrations.RemoveConstraint(
            model_name="payment",
            name="payment_status_known",
        ),
        migrations.AddField(
            model_name="billingexception",
            name="payment",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="exception",
                to="billing.payment",
            ),
        ),
        migrations.AlterField(
            model_name="payment",
            name="status",
            field=models.CharField(
                choices=[("succeeded", "Succeeded"), ("failed", "Failed"), ("unmatched", "Unmatched")], max_length=9
            ),
        ),
        migrations.AddConstraint(
            model_name="billingexception",
            constraint=models.UniqueConstraint(
                condition=models.Q(("payment", None), ("resolved_at", None)),
                fields=("subscription", "code"),
                name="billing_exception_open_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["succeeded", "failed", "unmatched"])), name="payment_status_known"
            ),
        ),
    ]
