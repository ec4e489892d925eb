from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_circuit")]

    operations = [
        migrations.AlterModelOptions(
            name="tenant",
            options={
                "ordering": ["name"],
                "permissions": [
                    ("view_as_customer", "Can look through a customer's eyes"),
                    ("close_tenant", "Can close tenant for good"),
                ],
            },
        ),
    ]
