"""Records of one kind at two addresses: the list that takes new ones, and each of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from leads.api import pagination
from leads.api.errors import Fault, Problem, missing
from leads.api.filters import Filters, condition
from leads.api.shape import Key, Offered, lay_over, taken
from leads.api.view import View, id_of
from leads.changes import unit


class Resource(View):
    """What the addresses of one kind share. A subclass names the model and its keys; all else is as most kinds have it.

    unique   the key whose value no other record of the account has, if there is one
    order    the columns that pages go by (leads/api/pagination.py)
    """

    model: ClassVar[type[Model]]
    keys: ClassVar[Sequence[Key]] = ()
    unique: ClassVar[str | None] = None
    order: ClassVar[Sequence[str]] = ("id",)
    oldest_first: ClassVar[bool] = False

    @property
    def noun(self) -> str:
        return str(self.model._meta.verbose_name)

    def records(self) -> QuerySet[Any]:
        """Those within the key's reach."""
        return self.model._default_manager.filter(self.scope.in_account())

    def new(self) -> Any:
        """A record that is not stored yet."""
        return self.model(account=self.account)

    def find(self, pk: str, lock: bool = False) -> Any:
        """The record of this id; locked, it is the one that is being changed until the unit ends."""
        records = self.records()
        if lock:
            records = records.select_for_update(of=("self",))
        number = id_of(pk)
        record = records.filter(pk=number).first() if number is not None else None
        if record is None:
            raise missing(self.noun)
        return record

    def store(self, record: Any, sent: Mapping[str, Any]) -> None:
        """Raises Problem 400, naming every fault."""
        if faults := self.faults(record, sent):
            raise Problem(400, faults=faults)
        record.save()

    def faults(self, record: Any, sent: Mapping[str, Any]) -> list[Fault]:
        """Lay what was sent over the record, and say what is wrong with it."""
        noun = f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"
        faults = lay_over(record, self.keys, sent, noun, self.offered(), self.told())
        return faults or (taken(record, self.unique) if self.unique else [])

    def offered(self) -> Mapping[str, Offered]:
        """What each reference among the keys may be given, by key."""
        return {}

    def told(self) -> Collection[str]:
        """What answers tell besides the keys: it may be sent back, and is ignored."""
        return ()

    def remove(self, record: Any) -> None:
        record.delete()

    def wire(self, record: Any) -> dict[str, Any]:
        return {"id": record.pk} | {key.field.wire: getattr(record, key.field.key) for key in self.keys}

    def wired(self, records: Sequence[Any]) -> list[dict[str, Any]]:
        return [self.wire(record) for record in records]


class Listed(Resource):
    """filters: what the query may ask for beside the page."""

    filters: ClassVar[Filters] = {}
    parameters: ClassVar[Collection[str]] = pagination.PARAMETERS

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.parameters = (*cls.filters, *pagination.PARAMETERS)

    def get(self, request: Request, **place: str) -> Response:
        records = self.records().filter(condition(request.query_params, self.filters))
        page = pagination.page(records, self.order, request, oldest_first=self.oldest_first)
        return Response(pagination.listed(request, page, self.wired(page.rows)))


class Many(Listed):
    def post(self, request: Request, **place: str) -> Response:
        with unit():
            record = self.new()
            self.store(record, self.sent)
        return Response(self.wire(record), 201, headers={"Location": self.address(request, record)})

    def address(self, request: Request, record: Any) -> str:
        return f"{request.path.rstrip('/')}/{record.pk}"


class Retrieved(Resource):
    def get(self, request: Request, pk: str, **place: str) -> Response:
        return Response(self.wire(self.find(pk)))


class One(Retrieved):
    def lock_before(self) -> None:
        """Whatever has to be locked before the record that is changed."""

    def patch(self, request: Request, pk: str, **place: str) -> Response:
        with unit():
            self.lock_before()
            record = self.find(pk, lock=True)
            self.store(record, self.sent)
        return Response(self.wire(record))

    def delete(self, request: Request, pk: str, **place: str) -> Response:
        with unit():
            self.remove(self.find(pk, lock=True))
        return Response(status=204)
