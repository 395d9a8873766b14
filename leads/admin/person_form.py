"""The form of a person: who they are, and the account, role and offices that decide what they may do."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordMixin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from leads import roles
from leads.admin.lead_fields import References
from leads.admin.owned import check_text
from leads.models import Account, Membership, Office, User
from leads.models.user import time_zones
from leads.scope import Scope, is_last_manager, is_manager

SHIPPED = (roles.STAFF, roles.MANAGER, roles.AUDITOR)

_ROLES = (
    (roles.STAFF, "Staff: the leads of their offices"),
    (roles.MANAGER, "Manager: the whole account, its people and webhooks"),
    (roles.AUDITOR, "Auditor: sees the account, changes nothing"),
)


class OfficesField(References):
    def __init__(self, queryset: Any, *, with_account: bool, **options: Any) -> None:
        self.with_account = with_account
        super().__init__(queryset, **options)

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.account.name} – {obj.name}" if self.with_account else obj.name


class PersonForm(forms.ModelForm):
    """Superusers choose the account, further roles and whether somebody is a superuser; others choose among the three
    roles and the offices of their own account. A class of its own for each request, see `for_writer`."""

    writer: Any
    scope: Scope
    readonly = False

    class Meta:
        model = User
        fields = [
            "username",
            "first_name",
            "last_name",
            "email",
            "phone",
            "time_zone",
            "availability",
            "is_active",
            "is_superuser",
        ]
        widgets = {
            "username": UnfoldAdminTextInputWidget,
            "first_name": UnfoldAdminTextInputWidget,
            "last_name": UnfoldAdminTextInputWidget,
            "email": UnfoldAdminEmailInputWidget,
            "phone": UnfoldAdminTextInputWidget(attrs={"type": "tel"}),
            "availability": UnfoldAdminSelectWidget,
            "is_active": UnfoldBooleanSwitchWidget,
            "is_superuser": UnfoldBooleanSwitchWidget,
        }
        labels = {"username": "User name", "email": "E-mail", "is_superuser": "Superuser"}
        help_texts = {
            "username": "To sign in with.",
            "is_active": "Off: cannot sign in, and their API keys stop working.",
            "is_superuser": "Sees and may do everything, in every account.",
        }

    @classmethod
    def for_writer(cls, writer: Any, scope: Scope, *, readonly: bool) -> type[PersonForm]:
        return type(cls.__name__, (cls,), {"writer": writer, "scope": scope, "readonly": readonly})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        membership = self._membership()
        self.groups = set(self.instance.groups.values_list("name", flat=True)) if self.instance.pk else set()
        superuser = self.scope.every_account
        self.fields["time_zone"] = self._time_zone()
        offices = Office.objects.select_related("account").order_by("account__name", "name")
        self.fields["role"] = forms.ChoiceField(
            choices=[("", "Select value"), *_ROLES], required=False, widget=UnfoldAdminSelectWidget
        )
        self.fields["offices"] = OfficesField(
            offices.filter(self.scope.in_account()),
            with_account=superuser,
            required=False,
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
            help_text="Staff see the leads of these; managers and auditors see the whole account.",
        )
        self.initial["role"] = next((name for name in (roles.MANAGER, *SHIPPED) if name in self.groups), "")
        self.initial["offices"] = list(membership.offices.values_list("pk", flat=True)) if membership else []
        if superuser:
            self._add_superusers_fields(membership)
        else:
            del self.fields["is_superuser"]
        for field in self.fields.values():
            field.disabled = self.readonly
            if isinstance(field.widget, forms.TextInput):
                field.validators.append(partial(check_text, str(field.label)))

    def _time_zone(self) -> forms.Field:
        # What is stored stays on offer, also when the database of time zones has dropped it.
        offered = sorted({*time_zones(), *filter(None, [self.instance.time_zone])})
        return forms.TypedChoiceField(
            choices=[("", "Select value"), *((zone, zone) for zone in offered)],
            empty_value=None,
            required=False,
            label="Time zone",
            widget=UnfoldAdminSelectWidget(),
            error_messages={"invalid_choice": "Time zone must be one of those on offer."},
        )

    def _add_superusers_fields(self, membership: Membership | None) -> None:
        self.fields["account"] = forms.ModelChoiceField(
            Account.objects.all(), required=False, widget=UnfoldAdminSelectWidget, empty_label="No account"
        )
        self.initial["account"] = membership.account_id if membership else None
        own = Group.objects.exclude(name__in=SHIPPED).order_by("name")
        self.fields["more_roles"] = References(
            own,
            label="Roles of your own",
            required=False,
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
            help_text="Rights beyond those of the role above.",
        )
        self.initial["more_roles"] = list(own.filter(name__in=self.groups).values_list("pk", flat=True))

    def _membership(self) -> Membership | None:
        return Membership.objects.filter(user=self.instance.pk).first() if self.instance.pk else None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        # What was refused is not in the data any more.
        role = data.get("role") or ""
        account_id = self._account_id(data)
        if account_id is None:
            if not data.get("is_superuser"):
                self.add_error("account", "Account must be chosen for everybody but a superuser.")
            elif role or data.get("offices"):
                self.add_error("account", "Account must be chosen for somebody with a role or offices.")
        elif not role and "role" not in self.errors and not data.get("is_superuser"):
            self.add_error("role", "Role must be chosen.")
        if any(office.account_id != account_id for office in data.get("offices") or ()):
            self.add_error("offices", "Offices must belong to the account.")
        elif role == roles.STAFF and "offices" in data and not data["offices"]:
            self.add_error("offices", "Offices must be at least one for Staff: they see nothing else.")
        self._check_own_way_out(data, account_id)
        return data

    def _account_id(self, data: dict[str, Any]) -> int | None:
        if not self.scope.every_account:
            return self.scope.account_id
        account = data.get("account")
        return account.pk if account else None

    def _check_own_way_out(self, data: dict[str, Any], account_id: int | None) -> None:
        """Nobody shuts themself out, and no account loses its last manager by one of its own."""
        if self.instance.pk == self.writer.pk and not data.get("is_active", True):
            self.add_error("is_active", "Active must stay on: you would sign yourself out for good.")
        if self.writer.is_superuser or self.instance.pk is None or account_id is None:
            return
        stays = data.get("role") == roles.MANAGER and data.get("is_active")
        if stays or not is_manager(User.objects.get(pk=self.instance.pk), account_id):
            return
        if is_last_manager(self.instance.pk, account_id):
            name = "role" if data.get("role") != roles.MANAGER else "is_active"
            said = f"{self.instance} is the last active manager. Make somebody else a manager first."
            self.add_error(name, ValidationError(said, code="last_manager"))

    def save_rights(self) -> None:
        """Account, offices and roles, once the user is stored."""
        user, data = self.instance, self.cleaned_data
        account_id = self._account_id(data)
        if account_id is None:
            Membership.objects.filter(user=user).delete()
        else:
            membership, _ = Membership.objects.update_or_create(user=user, defaults={"account_id": account_id})
            membership.offices.set(data["offices"])
        names = {data["role"]} - {""}
        user.groups.remove(*Group.objects.filter(name__in=SHIPPED).exclude(name__in=names))
        user.groups.add(*Group.objects.filter(name__in=names))
        if "more_roles" in data:
            user.groups.remove(*Group.objects.exclude(name__in=SHIPPED).exclude(pk__in=data["more_roles"]))
            user.groups.add(*data["more_roles"])


class NewPersonForm(SetPasswordMixin, PersonForm):
    password1, password2 = SetPasswordMixin.create_password_fields()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who is made here is made to sign in here.
        self.instance.is_staff = True
        for name in ("password1", "password2"):
            self.fields[name].widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})

    def clean(self) -> dict[str, Any]:
        self.validate_passwords("password1", "password2")
        return super().clean()

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        self.validate_password_for_user(self.instance, "password2")

    def save(self, commit: bool = True) -> Any:
        self.instance.set_password(self.cleaned_data["password1"])
        return super().save(commit)
