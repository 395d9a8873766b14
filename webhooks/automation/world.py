"""What the steps of an account's rules can name: people, offices, lists, webhooks, and the fields of leads.

Whoever names what is not there is told so in one sentence: when a rule is saved, on its page, and when it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from django.db.models import QuerySet

from leads import fields as catalogue
from leads.models import Lead, LeadList, Office, User
from leads.scope import Scope
from webhooks.automation import records
from webhooks.models import Webhook
from webhooks.outbound import filter_fields
from webhooks.outbound.filter_fields import FilterField, Misfit
from webhooks.wire.filter import CUSTOM, FORM

Choices = tuple[tuple[str, str], ...]

_SETTABLE_KINDS = frozenset({"text", "number", "whole", "yes_no", "moment", "date", "choice"})
# Who owns a lead is what "assign" decides; a parent and a company are chosen for one lead at a time.
_NOT_SET = frozenset({"owner_id", "parent_id", "company_id"})


class World:
    """Of one account and one event, read as it is asked for."""

    def __init__(self, account_id: int | None, event: str) -> None:
        # 0: not chosen yet, and of no account.
        self.account_id = account_id or 0
        self.event = event

    # What there is to choose, as (value as text, label).

    @cached_property
    def fields(self) -> Mapping[str, FilterField]:
        """Of the event's record: conditions name them."""
        return records.fields_of(self.event, self.account_id or None)

    @property
    def placeholders(self) -> frozenset[str]:
        """The form is what the event has, and not the record."""
        return frozenset(self.fields) - {FORM}

    @cached_property
    def settable(self) -> Mapping[str, FilterField]:
        """Fields of a lead that a rule may set."""
        found = (
            self.fields if records.model_of(self.event) is Lead else filter_fields.fields_of(self.account_id or None)
        )
        return {key: field for key, field in found.items() if field.kind in _SETTABLE_KINDS and _may_be_set(key)}

    @cached_property
    def people(self) -> Choices:
        people = self.active_people.order_by("first_name", "last_name", "username")
        return tuple((str(person.pk), str(person)) for person in people)

    @cached_property
    def offices(self) -> Choices:
        return _named(Office.objects.filter(account_id=self.account_id).order_by("name"))

    @cached_property
    def lists(self) -> Choices:
        return _named(LeadList.objects.filter(account_id=self.account_id).order_by("name"))

    @cached_property
    def webhooks(self) -> Choices:
        return _named(Webhook.objects.filter(account_id=self.account_id).order_by("name"))

    # One of them, or Misfit.

    def person(self, pk: int) -> User:
        person = self.active_people.filter(pk=pk).first()
        if person is None:
            raise Misfit(f"Person {pk} is no active person of this account.")
        return person

    def office(self, pk: int) -> Office:
        office = Office.objects.filter(account_id=self.account_id, pk=pk).first()
        if office is None:
            raise Misfit(f"There is no office {pk} in this account.")
        return office

    def list(self, pk: int) -> LeadList:
        found = LeadList.objects.filter(account_id=self.account_id, pk=pk).first()
        if found is None:
            raise Misfit(f"There is no list {pk} in this account.")
        return found

    def webhook(self, pk: int) -> Webhook:
        webhook = Webhook.objects.filter(account_id=self.account_id, pk=pk).first()
        if webhook is None:
            raise Misfit(f"There is no webhook {pk} in this account.")
        return webhook

    @property
    def active_people(self) -> QuerySet[User]:
        people: QuerySet[User] = Scope(self.account_id, None).choosable_owners(self.account_id)
        return people


def _may_be_set(key: str) -> bool:
    field = catalogue.BY_KEY.get(key)
    if field is None:
        return key.startswith(f"{CUSTOM}.")
    return field.writeable and not field.post_only and not field.measured and key not in _NOT_SET


def _named(rows: QuerySet) -> Choices:  # type: ignore[type-arg]
    return tuple((str(pk), name) for pk, name in rows.values_list("pk", "name"))
