"""The list of all activities, the newest first, reads its page only."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0007_merge"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(fields=["account", "-happened_at", "-id"], name="activity_newest"),
        ),
    ]
