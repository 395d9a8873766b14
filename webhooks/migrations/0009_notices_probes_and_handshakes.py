"""What is kept for mails about failures, probes of paused webhooks, handshakes and LeadSquared's own API."""

from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0006_kinds_of_accounts"),
        ("webhooks", "0008_lapps"),
    ]

    operations = [
        migrations.CreateModel(
            name="Alarm",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("dns", "Name not found"),
                            ("refused", "Connection refused"),
                            ("tls", "TLS failed"),
                            ("timeout", "Timed out"),
                            ("reset", "Connection closed"),
                            ("protocol", "Not an HTTP answer"),
                            ("blocked", "Address or URL not allowed"),
                            ("3xx", "Answered 3xx"),
                            ("4xx", "Answered 4xx"),
                            ("5xx", "Answered 5xx"),
                            ("other", "Other"),
                        ],
                        max_length=10,
                    ),
                ),
                ("failures", models.PositiveIntegerField(default=0)),
                ("since", models.DateTimeField(null=True)),
                ("told_at", models.DateTimeField(null=True)),
                ("raised", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="Calls",
            fields=[
                (
                    "key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="leads.apikey",
                    ),
                ),
                ("at", models.JSONField(default=list)),
            ],
            options={
                "verbose_name_plural": "calls",
            },
        ),
        migrations.CreateModel(
            name="Handshake",
            fields=[
                (
                    "webhook",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="handshake",
                        serialize=False,
                        to="webhooks.webhook",
                    ),
                ),
                ("wanted_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("asked_at", models.DateTimeField(null=True)),
                ("code", models.PositiveSmallIntegerField(null=True)),
                ("error", models.CharField(blank=True, max_length=255)),
            ],
        ),
        migrations.AddField(
            model_name="health",
            name="ended",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="health",
            name="probe_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="notice",
            name="kind",
            field=models.CharField(
                choices=[
                    ("paused", "was paused"),
                    ("resumed", "was resumed"),
                    ("failed", "failed"),
                    ("recovered", "works again"),
                ],
                default="paused",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="webhook",
            name="notify_on_failure",
            field=models.BooleanField(default=False),
        ),
        migrations.AddIndex(
            model_name="health",
            index=models.Index(
                condition=models.Q(("probe_at__isnull", False)), fields=["probe_at"], name="health_probe"
            ),
        ),
        migrations.AddField(
            model_name="alarm",
            name="delivery",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="webhooks.delivery"
            ),
        ),
        migrations.AddField(
            model_name="alarm",
            name="webhook",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="alarms",
                to="webhooks.webhook",
            ),
        ),
        migrations.AddIndex(
            model_name="handshake",
            index=models.Index(
                condition=models.Q(("asked_at__isnull", True)), fields=["wanted_at"], name="handshake_owed"
            ),
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(condition=models.Q(("failures__gt", 0)), fields=["told_at"], name="alarm_owed"),
        ),
        migrations.AddConstraint(
            model_name="alarm",
            constraint=models.UniqueConstraint(fields=("webhook", "cause"), name="alarm_once"),
        ),
    ]
