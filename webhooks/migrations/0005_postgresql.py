"""What makes saves and deliveries cheaper on PostgreSQL; SQLite stays as it is."""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

# Rows of these hold a few thousand bytes of JSON. Above 2 kB PostgreSQL compresses a row, unless told otherwise, which
# takes longer than to write it: up to 8 kB it need not.
WIDE = ("webhooks_event", "webhooks_attempt", "webhooks_body")


class AlterOnPostgreSQL(migrations.AlterField):
    """On SQLite it would write the whole table anew."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)


def keep_plain(apps: Any, schema_editor: Any) -> None:
    _alter(schema_editor, "SET (toast_tuple_target = 8160)")


def compress(apps: Any, schema_editor: Any) -> None:
    _alter(schema_editor, "RESET (toast_tuple_target)")


def _alter(schema_editor: Any, change: str) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for table in WIDE:
            schema_editor.execute(f"ALTER TABLE {table} {change}")


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0004_engine")]

    operations = [
        migrations.RunPython(keep_plain, compress),
        AlterOnPostgreSQL(
            "delivery",
            "event",
            models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="deliveries",
                to="webhooks.event",
            ),
        ),
        AlterOnPostgreSQL(
            "delivery",
            "account",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="leads.account",
            ),
        ),
        AlterOnPostgreSQL(
            "delivery",
            "webhook",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="deliveries",
                to="webhooks.webhook",
            ),
        ),
        AlterOnPostgreSQL(
            "body",
            "delivery",
            models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                primary_key=True,
                related_name="body",
                serialize=False,
                to="webhooks.delivery",
            ),
        ),
        AlterOnPostgreSQL(
            "attempt",
            "delivery",
            models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="attempts",
                to="webhooks.delivery",
            ),
        ),
    ]
