"""Tasks: /api/v1/tasks and .../{id}, the next due first, and those of one lead: /api/v1/leads/{id}/tasks.

Their status has addresses of its own: POST .../complete, .../cancel and .../reopen, with an empty object.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Final

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api.entities import EntityResource
from leads.api.errors import Fault, Problem
from leads.api.filters import Filters, one_of
from leads.api.leads import find
from leads.api.permissions import MANY, ONE, Need, needs
from leads.api.resource import Many, One
from leads.api.shape import Offered, key_of
from leads.api.view import id_of, unknown_keys
from leads.changes import unit
from leads.models import Lead, Task
from leads.models.apikey import Scope as KeyScope
from leads.models.lead import keep_open
from leads.models.task import TaskStatus

_SCOPES: Final = (KeyScope.CRM_READ, KeyScope.CRM_WRITE)
_KEYS = tuple(key_of(Task, name) for name in ("name", "category", "description", "due_at", "remind_at", "owner"))


class TaskResource(EntityResource):
    model = Task
    keys = (*_KEYS, key_of(Task, "lead"))
    order = ("due_at", "id")
    oldest_first = True

    def records(self) -> QuerySet[Any]:
        return self.scope.tasks(self.key.user_id)

    def offered(self) -> Mapping[str, Offered]:
        leads = self.scope.choosable_parents(self.account.pk)
        return {**super().offered(), "lead_id": Offered(leads, "a lead of the account that you may see")}

    def faults(self, task: Task, sent: Mapping[str, Any]) -> list[Fault]:
        faults = super().faults(task, sent)
        if not faults and self.scope.loses_task(self.key.user_id, task.lead, task.owner):
            words = "is required, or else owner_id has to be the maker of this API key, who would not see the task"
            faults = [Fault("lead_id", "lead_required", words)]
        return faults


class _Listed(TaskResource, Many):
    needs = needs("task", *_SCOPES, MANY)
    filters: ClassVar[Filters] = {"status": one_of("status", TaskStatus.values)}

    def address(self, request: Request, record: Task) -> str:
        return reverse("task", args=[record.pk])


class Tasks(_Listed):
    pass


class LeadTasks(_Listed):
    keys = _KEYS

    @cached_property
    def lead(self) -> Lead:
        return find(self, self.kwargs["lead_pk"])

    def records(self) -> QuerySet[Any]:
        return super().records().filter(lead=self.lead)

    def new(self) -> Task:
        return Task(account=self.account, lead=self.lead)


class OneTask(TaskResource, One):
    needs = needs("task", *_SCOPES, ONE)

    def lock_before(self) -> None:
        if (lead_id := id_of(str(self.sent.get("lead_id")))) is not None:
            keep_open(lead_id, DEFAULT_DB_ALIAS)  # a merge locks in this order


class Switch(TaskResource):
    """What is done already is answered as done."""

    needs: ClassVar[Mapping[str, Need]] = {"POST": Need(KeyScope.CRM_WRITE, "leads.change_task")}
    to: ClassVar[TaskStatus]

    def post(self, request: Request, pk: str) -> Response:
        with unit():
            task = self.find(pk, lock=True)
            if faults := unknown_keys(self.sent, (), "this request"):
                raise Problem(400, faults=faults)
            if not Task.switch([task.pk], self.to) and task.status != self.to:
                raise Problem(409, f"This task is {task.status}: reopen it first.", code="closed")
        return Response(self.wire(task))


class Complete(Switch):
    to = TaskStatus.COMPLETED


class Cancel(Switch):
    to = TaskStatus.CANCELLED


class Reopen(Switch):
    to = TaskStatus.OPEN
