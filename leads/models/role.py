from __future__ import annotations

from django.contrib.auth.models import Group


class Role(Group):
    """Django's group, by the name that people know it by."""

    class Meta:
        proxy = True
        verbose_name = "role"
        verbose_name_plural = "roles"
