"""People: users with their account, offices and role."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm

from leads.admin.base import Admin, scope_of
from leads.admin.deletion import Deletion
from leads.admin.display import MISSING, ago, badge, clip, day, person, plural
from leads.admin.person_form import NewPersonForm, PersonForm
from leads.models import Leave, Membership, User
from leads.models.leave import covering
from leads.scope import is_last_manager, managers, may_touch


@admin.register(User)
class PersonAdmin(UserAdmin, Admin):
    form = PersonForm
    add_form = NewPersonForm
    add_form_template = None
    change_password_form = AdminPasswordChangeForm
    list_filter = ()
    list_display_links = ("who",)
    list_select_related = ("membership__account",)
    filter_horizontal = ()
    search_fields = ("username", "first_name", "last_name", "email")
    search_help_text = "Name, user name or e-mail"
    ordering = ("first_name", "last_name", "id")
    empty_title = "No people yet"
    empty_text = "People sign in, work on the leads of their offices and look after the account."

    # --- who sees and touches whom ---

    def scoped(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        return queryset.filter(pk__in=scope_of(request).users().values("pk"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _within_reach(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _within_reach(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and scope_of(request).account_id != 0

    # --- the list ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """With the last day of the leave that they are on today, if they are on one."""
        today = timezone.localdate()
        leave = Leave.objects.filter(covering(today, today), user=OuterRef("pk")).values("ends_on")[:1]
        people = super().get_queryset(request).annotate(away_until=Subquery(leave))
        return people.prefetch_related("groups", "membership__offices")

    def get_list_display(self, request: HttpRequest) -> Any:
        account = ["account"] if scope_of(request).every_account else []
        return ["who", "user_name", "role", *account, "offices", "shown_as", "state", "last_seen"]

    @display(description="Person")
    def who(self, user: User) -> SafeString:
        return person(str(user), user.email)

    @display(description="User name")
    def user_name(self, user: User) -> str:
        return user.username

    @display(description="Role")
    def role(self, user: User) -> SafeString | str:
        names = sorted(group.name for group in user.groups.all())
        return ", ".join((["Superuser"] if user.is_superuser else []) + names) or MISSING

    @display(description="Account")
    def account(self, user: User) -> SafeString:
        membership = _membership(user)
        return clip(membership.account.name if membership else "")

    @display(description="Offices")
    def offices(self, user: User) -> SafeString:
        membership = _membership(user)
        return clip(", ".join(office.name for office in membership.offices.all()) if membership else "")

    @display(description="Availability")
    def shown_as(self, user: User) -> SafeString:
        until = user.away_until  # type: ignore[attr-defined]
        if until is None:
            return badge(user.availability, user.get_availability_display())
        to = format_html('<span class="lc-subtle lc-hide-phone">to {}</span>', day(until))
        return format_html("{} {}", badge("held", "On leave"), to)

    @display(description="State")
    def state(self, user: User) -> SafeString:
        return badge("enabled", "Active") if user.is_active else badge("disabled", "Inactive")

    @display(description="Last sign-in")
    def last_seen(self, user: User) -> SafeString | str:
        return ago(user.last_login) if user.last_login else "Never"

    # --- the form ---

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> list[Any]:
        superuser = scope_of(request).every_account
        account = ["account"] if superuser else []
        rights = [*account, "role", "offices", *(["more_roles"] if superuser else []), "is_active"]
        if superuser:
            rights.append("is_superuser")
        passwords = [("password1", "password2")] if obj is None else []
        return [
            (
                None,
                {
                    "fields": [
                        ("first_name", "last_name"),
                        ("email", "username"),
                        ("phone", "time_zone"),
                        "availability",
                        *passwords,
                    ]
                },
            ),
            ("What they may do", {"fields": rights}),
        ]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = NewPersonForm if obj is None else PersonForm
        readonly = obj is not None and not self.has_change_permission(request, obj)
        return form.for_writer(request.user, scope_of(request), readonly=readonly)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context["adminform"].readonly_fields = ()
        user = kwargs.get("obj")
        if user is not None:
            may_set = self.has_change_permission(request, user)
            context["password_page"] = reverse("admin:auth_user_password_change", args=[user.pk]) if may_set else ""
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        left = [] if obj.pk is None else _managed_alone(obj)
        super().save_model(request, obj, form, change)
        form.save_rights()
        for membership in left:
            if not managers(membership.account_id).exists():
                messages.warning(request, f"{membership.account} has no active manager now.")

    def deletion(self, request: HttpRequest, user: User) -> Deletion:
        if user.pk == request.user.pk:
            return Deletion(f"{user} cannot be deleted", "Nobody deletes themself.", possible=False)
        for membership in _managed_alone(user):
            if not request.user.is_superuser:
                return Deletion(
                    f"{user} cannot be deleted",
                    f"{user} is the last active manager of {membership.account}. Make somebody else a manager first.",
                    possible=False,
                )
        keys = user.api_keys.filter(revoked_at=None).count()
        stopping = (
            f" {plural(keys, 'API key')} made by {user} {'stops' if keys == 1 else 'stop'} working." if keys else ""
        )
        return Deletion(
            f"Delete {user}?",
            f"{user} cannot sign in any more.{stopping} What {user} did stays in the history of the leads. "
            "Somebody who is away for a while is better made inactive.",
        )


def _membership(user: User) -> Membership | None:
    return getattr(user, "membership", None)


def _managed_alone(user: User) -> list[Membership]:
    """The account of which the user is the only active manager, if there is one."""
    membership = _membership(user)
    if membership is None:
        return []
    return [membership] if is_last_manager(user.pk, membership.account_id) else []


def _within_reach(request: HttpRequest, user: Any) -> bool:
    return not isinstance(user, User) or may_touch(request.user, user)
