"""A webhook may have a Lapp in place of a URL."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks", "0007_delays_and_groups"),
    ]

    operations = [
        migrations.CreateModel(
            name="LappCall",
            fields=[
                ("message_id", models.CharField(max_length=60, primary_key=True, serialize=False)),
                ("done_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.AddField(
            model_name="webhook",
            name="kind",
            field=models.CharField(
                choices=[("webhook", "Webhook"), ("lapp", "Lapp")],
                default="webhook",
                max_length=10,
                verbose_name="type",
            ),
        ),
        migrations.AddField(
            model_name="webhook",
            name="lapp",
            field=models.CharField(blank=True, max_length=50, verbose_name="Lapp"),
        ),
        migrations.AlterField(
            model_name="webhook",
            name="url",
            field=models.CharField(blank=True, max_length=2000, verbose_name="webhook URL"),
        ),
    ]
