"""Roles: Django's groups. Superusers only, as who edits a group decides what its members may do."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from unfold.decorators import display

from leads import roles
from leads.admin.base import Admin
from leads.admin.deletion import Deletion
from leads.models import Role

_SHIPPED = (roles.STAFF, roles.MANAGER, roles.AUDITOR)

# Roles are the same rows.
admin.site.unregister(Group)


def _right(permission: Permission) -> str:
    """ "Add API key" for what Django calls "CRM | API key | Can add API key"."""
    words = permission.name.removeprefix("Can ")
    return words[:1].upper() + words[1:]


@admin.register(Role)
class RoleAdmin(GroupAdmin, Admin):  # type: ignore[misc]
    list_display = ("name", "kind")
    search_help_text = "Role"
    empty_title = "No roles yet"
    empty_text = "Staff, Manager and Auditor are made by the next migrate."

    def scoped(self, request: HttpRequest, queryset: QuerySet[Group]) -> QuerySet[Group]:
        return queryset

    @display(description="Kind")
    def kind(self, group: Group) -> SafeString | str:
        return "Shipped" if group.name in _SHIPPED else mark_safe('<span class="lc-subtle">Your own</span>')

    def get_fieldsets(self, request: HttpRequest, obj: Group | None = None) -> list[Any]:
        described = {}
        if obj is not None and obj.name in _SHIPPED:
            described = {
                "description": "A shipped role gets its rights back with every update. "
                "For other rights, make a role of your own."
            }
        return [(None, {"fields": ("name", "permissions"), **described})]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        # Those that pages of ours ask for.
        field.queryset = field.queryset.filter(content_type__app_label__in=("leads", "webhooks"))
        field.label_from_instance = _right
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> tuple[str, ...]:
        # The program asks for the shipped ones by their names.
        return ("name",) if obj is not None and obj.name in _SHIPPED else ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)

    def deletion(self, request: HttpRequest, group: Group) -> Deletion:
        if group.name in _SHIPPED:
            return Deletion(f"{group} cannot be deleted", "It is one of the three shipped roles.", possible=False)
        return Deletion(f"Delete {group}?", "Its members lose the rights that it gave them.")
