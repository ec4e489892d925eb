from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_close_tenant")]
    operations = [migrations.AddField("idempotencyrecord", "tenant_id", models.UUIDField(null=True))]
