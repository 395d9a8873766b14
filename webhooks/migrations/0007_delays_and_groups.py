"""Deliveries that wait for a while after their event, and deliveries that are sent together."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0006_kinds_of_accounts"),
        ("webhooks", "0006_fewer_indexes"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="delivery",
            name="delivery_waiting",
        ),
        migrations.AddField(
            model_name="delivery",
            name="sent_with",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="together",
                to="webhooks.delivery",
            ),
        ),
        migrations.AddField(
            model_name="webhook",
            name="execution_delay",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="status",
            field=models.CharField(
                choices=[
                    ("queued", "In Queue"),
                    ("grouped", "Grouped"),
                    ("sending", "Sending"),
                    ("success", "Success"),
                    ("failure", "Failure"),
                    ("held", "Held"),
                    ("cancelled", "Cancelled"),
                ],
                default="queued",
                max_length=10,
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("sent_with__isnull", True), ("status", "grouped")),
                fields=["webhook", "due_at", "id"],
                name="delivery_gather",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("sent_with__isnull", False)), fields=["sent_with"], name="delivery_together"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("status__in", ["queued", "sending", "grouped"])),
                fields=["-id", "account", "webhook"],
                name="delivery_waiting",
            ),
        ),
    ]
