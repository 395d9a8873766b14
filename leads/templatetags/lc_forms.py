"""{% load lc_forms %}: what forms need beyond Unfold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.text import slugify

register = template.Library()


@register.filter
def tab_to_open(tabs: Sequence[Any]) -> str:
    """The slug of the first tab with an error, or else of the first one; Unfold opens the last with an error."""
    for fieldset in tabs:
        if any(not field.is_readonly and field.errors() for line in fieldset for field in line):
            return slugify(str(fieldset.name), allow_unicode=True)
    return slugify(str(tabs[0].name), allow_unicode=True)
