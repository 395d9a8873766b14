"""What broken rules say to people, in whole sentences."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.text import capfirst

from leads.fields import BY_KEY


def sentence(key: str, message: str) -> str:
    """What a broken rule says to people: "Postcode is required when type is vendor."."""
    field = BY_KEY.get(key)
    return f"{field.label if field else capfirst(key.replace('_', ' '))} {message}."


def sentences(error: ValidationError) -> list[str]:
    """The errors of a rule of ours, which come by field and without the field's name, or of anything else."""
    if not hasattr(error, "error_dict"):
        return list(error.messages)
    return [
        message if message[:1].isupper() else sentence(key, message)
        for key, ones in error.error_dict.items()
        for one in ones
        for message in one.messages
    ]
