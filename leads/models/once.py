"""What is there once in its account: a name, a code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, models


class Once(models.UniqueConstraint):
    """The last of `fields` is once among those that share the others. Whoever breaks it reads so at that field, where
    Django says it above the form."""

    def validate(self, model: Any, instance: Any, exclude: Any = None, using: str = DEFAULT_DB_ALIAS) -> None:
        try:
            super().validate(model, instance, exclude, using)
        except ValidationError as error:
            raise ValidationError({self.fields[-1]: error}) from error

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        # To the database, and so to migrations, it is any other.
        _, expressions, kwargs = super().deconstruct()
        return "django.db.models.UniqueConstraint", expressions, kwargs
