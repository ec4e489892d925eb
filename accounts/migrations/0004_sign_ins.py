from django.db import migrations, models

KINDS = ["member", "staff", "api_key", "system", "visitor"]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_history")]
    operations = [
        migrations.RemoveConstraint("auditentry", "audit_entry_actor_kind_known"),
        migrations.AlterField(
            "auditentry",
            "actor_kind",
            models.CharField(
                choices=[("member", "Member"), ("staff", "Staff"), ("api_key", "API key"), ("system", "System"), ("visitor", "Visitor")],
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            "auditentry",
            models.CheckConstraint(condition=models.Q(actor_kind__in=KINDS), name="audit_entry_actor_kind_known"),
        ),
        migrations.AddIndex(
            "auditentry",
            models.Index(
                condition=models.Q(("target_kind", "user")),
                fields=["target_id", "-occurred_at", "-id"],
                name="audit_entry_of_person",
            ),
        ),
    ]
