"""Create, Update, Retrieve and Delete. Their rules are those of webhooks/api/webhooks.py, under LeadSquared's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leads.api.errors import Fault, Problem, missing, shown
from leads.api.parser import check_head
from leads.api.permissions import Need
from leads.api.view import unknown_keys
from leads.changes import unit
from leads.models.apikey import Scope as KeyScope
from webhooks.api.leadsquared import errors, words
from webhooks.api.leadsquared.keys import KeyPair, count
from webhooks.api.webhooks import WebhookResource
from webhooks.models import Kind, Webhook

LARGEST_PAGE: Final = 1000
USUAL_PAGE: Final = 25


def _need(verb: str) -> Need:
    return Need(KeyScope.WEBHOOKS_ADMIN, f"webhooks.{verb}_webhook")


class Door(WebhookResource):
    """One call. It sees the account's webhooks of LeadSquared and no others."""

    authentication_classes = [KeyPair]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Not our own API's: that one refuses keys in the address.
        APIView.initial(self, request, *args, **kwargs)
        count(self.key)
        if request.method in self.allowed_methods:
            check_head(request._request)

    def get_exception_handler(self) -> Callable[..., Response]:
        return errors.answer

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    def records(self) -> QuerySet[Any]:
        return super().records().filter(dialect=words.SYSTEM)

    def named(self, given: Any, lock: bool = False) -> Webhook:
        """The webhook of a WebhookId. Raises Problem 400 without one, 404 where it is none of the key's."""
        if given is None or given == "":
            raise Problem(400, faults=[Fault("WebhookId", "required", "is required")])
        if not isinstance(given, str) and type(given) is not int:
            raise missing(self.noun)
        webhook: Webhook = self.find(str(given), lock=lock)
        return webhook


def _done(webhook_id: int) -> Response:
    return Response({"Status": "Success", "Message": {"Id": str(webhook_id)}})


class Create(Door):
    http_method_names = ["post"]
    needs: ClassVar[Mapping[str, Need]] = {"POST": _need("add")}

    def post(self, request: Request) -> Response:
        with unit():
            webhook = self.new()
            self.store(webhook, words.ours(_without_id(self.sent), self.account))
        return _done(webhook.pk)


def _without_id(sent: Mapping[str, Any]) -> Mapping[str, Any]:
    """A new webhook is given its id here: whatever stands there says nothing."""
    return {key: value for key, value in sent.items() if key != "WebhookId"}


class Update(Door):
    """What is left out stays."""

    http_method_names = ["post"]
    needs: ClassVar[Mapping[str, Need]] = {"POST": _need("change")}

    def post(self, request: Request) -> Response:
        with unit():
            webhook = self.named(self.sent.get("WebhookId"), lock=True)
            self.store(webhook, words.ours(self.sent, self.account, webhook))
        return _done(webhook.pk)


class Delete(Door):
    """By GET alone: it takes ?webhookId= and has no body."""

    http_method_names = ["get"]
    needs: ClassVar[Mapping[str, Need]] = {"GET": _need("delete")}

    def get(self, request: Request) -> Response:
        query = {name.lower(): value for name, value in request.query_params.items()}
        with unit():
            webhook = self.named(query.get("webhookid"), lock=True)
            pk = webhook.pk
            self.remove(webhook)
        return _done(pk)


class Retrieve(Door):
    """A page of the webhooks that all the given parameters fit; one is enough, and none at all is refused."""

    http_method_names = ["post"]
    needs: ClassVar[Mapping[str, Need]] = {"POST": _need("view")}

    def post(self, request: Request) -> Response:
        faults = unknown_keys(self.sent, ("Parameter", "Sorting", "Paging"), "this call")
        wanted = _Wanted(self.sent.get("Parameter"), faults)
        sorting = _Sorting(self.sent.get("Sorting"), faults)
        paging = _Paging(self.sent.get("Paging"), faults)
        if faults:
            raise Problem(400, faults=faults)
        rows = [words.row(webhook) for webhook in self.records().order_by("pk") if wanted.fits(webhook)]
        return Response(
            {
                "RecordCount": len(rows),
                "Response": paging.cut(sorting.sort(rows)),
                "Sorting": sorting.told,
                "Paging": paging.told,
            }
        )


def _part(given: Any, name: str, known: Sequence[str], faults: list[Fault]) -> Mapping[str, Any]:
    """An object of these keys; empty texts and null are as if left out."""
    if given is None:
        return {}
    if not isinstance(given, dict):
        faults.append(Fault(name, "object", "must be an object"))
        return {}
    faults += [Fault(f"{name}.{fault.field}", fault.rule, fault.message) for fault in unknown_keys(given, known, name)]
    texts = {key: value.strip() if isinstance(value, str) else value for key, value in given.items()}
    return {key: value for key, value in texts.items() if value not in (None, "")}


class _Wanted:
    KEYS = ("Type", "WebhookEvent", "StatusCode", "WebhookId", "SearchText")

    def __init__(self, given: Any, faults: list[Fault]) -> None:
        found = _part(given, "Parameter", self.KEYS, faults)
        if not found and not faults:
            faults.append(Fault("Parameter", "required", f"must have at least one of these: {', '.join(self.KEYS)}"))
        self.type, self.event = found.get("Type"), found.get("WebhookEvent")
        self.status = str(found["StatusCode"]) if "StatusCode" in found else None
        self.id = str(found["WebhookId"]) if "WebhookId" in found else None
        self.text = str(found.get("SearchText", "")).casefold()
        if self.type not in (None, *Kind.labels):
            faults.append(Fault("Parameter.Type", "choice", "must be Webhook or Lapp"))
        if self.event is not None:
            self.event = words.event_of(str(self.event))
            if self.event is None:
                event = shown(str(found["WebhookEvent"]))
                faults.append(Fault("Parameter.WebhookEvent", "choice", f"must be the code of an event, not {event}"))
        if self.status not in (None, "0", "1", "2"):
            faults.append(Fault("Parameter.StatusCode", "choice", "must be 0, 1 or 2"))

    def fits(self, webhook: Webhook) -> bool:
        texts = (webhook.name, webhook.description, webhook.url, webhook.lapp)
        return (
            self.type in (None, webhook.get_kind_display())
            and self.event in (None, *webhook.events)
            and self.status in (None, str(words.status(webhook)))
            and self.id in (None, str(webhook.pk))
            and any(self.text in text.casefold() for text in texts)
        )


class _Sorting:
    COLUMNS: ClassVar[Mapping[str, str]] = {
        # When a webhook was changed last is not kept.
        "ModifiedOn": "CreatedOn",
        **{name: name for name in ("CreatedOn", "WebhookId", "EventCode", "EventName", "Description", "URL")},
        "StatusCode": "StatusCode",
    }

    def __init__(self, given: Any, faults: list[Fault]) -> None:
        found = _part(given, "Sorting", ("ColumnName", "Direction"), faults)
        self.column = found.get("ColumnName", "CreatedOn")
        self.direction = str(found.get("Direction", "1"))
        if not isinstance(self.column, str) or self.column not in self.COLUMNS:
            faults.append(Fault("Sorting.ColumnName", "choice", f"must be one of {', '.join(self.COLUMNS)}"))
        if self.direction not in ("0", "1"):
            faults.append(Fault("Sorting.Direction", "choice", 'must be "1", descending, or "0", ascending'))

    @property
    def told(self) -> dict[str, str]:
        return {"ColumnName": self.column, "Direction": self.direction}

    def sort(self, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Ids by their number; of equal ones the order of their ids."""
        column = self.COLUMNS[self.column]

        def key(row: Mapping[str, Any]) -> tuple[Any, int]:
            pk = int(row["WebhookId"])
            return (pk if column == "WebhookId" else row[column], pk)

        return sorted(rows, key=key, reverse=self.direction == "1")


class _Paging:
    def __init__(self, given: Any, faults: list[Fault]) -> None:
        found = _part(given, "Paging", ("PageIndex", "PageSize"), faults)
        self.index = self._number(found, "PageIndex", 1, 10**9, faults)
        self.size = self._number(found, "PageSize", USUAL_PAGE, LARGEST_PAGE, faults)

    @staticmethod
    def _number(found: Mapping[str, Any], name: str, usual: int, most: int, faults: list[Fault]) -> int:
        text = str(found.get(name, usual))
        if text.isascii() and text.isdecimal() and len(text) < 12 and 1 <= int(text) <= most:
            return int(text)
        faults.append(Fault(f"Paging.{name}", "integer", f"must be a number from 1 to {most:,}"))
        return usual

    @property
    def told(self) -> dict[str, int]:
        return {"PageIndex": self.index, "PageSize": self.size}

    def cut(self, rows: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return rows[(self.index - 1) * self.size : self.index * self.size]


class Elsewhere(Door):
    """Any other call of the service, or one that is not of webhooks: not there, in their words."""

    http_method_names = ["get", "post", "put", "patch", "delete"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Problem(404)
