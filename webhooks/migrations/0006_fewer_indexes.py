"""Two indexes that every save paid for and few questions asked: webhooks/models/delivery.py and outbound/selection.py."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0005_postgresql")]

    operations = [
        migrations.RemoveIndex("delivery", "delivery_message"),
        migrations.RemoveIndex("delivery", "delivery_created"),
        migrations.AddIndex(
            "delivery",
            models.Index(
                condition=models.Q(("event__isnull", True)), fields=["message_id"], name="delivery_test_message"
            ),
        ),
    ]
