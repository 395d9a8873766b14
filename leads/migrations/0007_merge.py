"""Merges of leads; who deletes a lead deletes what was merged into it."""

import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0006_kinds_of_accounts"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="lead",
            options={
                "base_manager_name": "with_merged",
                "ordering": ["-created_at", "-id"],
                "permissions": [("merge_lead", "Can merge lead")],
            },
        ),
        migrations.AlterModelManagers(
            name="lead",
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("with_merged", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AlterField(
            model_name="lead",
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="merged",
                to="leads.lead",
            ),
        ),
        migrations.CreateModel(
            name="Merge",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("children", models.JSONField(default=list)),
                ("merged_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("merged_by", models.CharField(max_length=255)),
                ("changes", models.JSONField(default=dict)),
                ("moved", models.JSONField(default=dict)),
                ("undone_at", models.DateTimeField(null=True)),
                ("undone_by", models.CharField(blank=True, max_length=255)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="merges", to="leads.account"
                    ),
                ),
                (
                    "master",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="merges", to="leads.lead"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": (),
                "indexes": [models.Index(fields=["account", "-id"], name="merge_newest")],
            },
        ),
    ]
