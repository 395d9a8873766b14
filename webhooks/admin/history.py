"""The list of Webhook History: what its address asks for, its filters, and the page that answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, time
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Count
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils import timezone
from unfold.contrib.filters.admin import CheckboxFilter, DropdownFilter, TextFilter
from unfold.contrib.filters.forms import RangeDateTimeForm
from unfold.views import ChangeList

from leads.admin.base import scope_of
from leads.admin.display import absolute
from leads.models import Lead
from webhooks.admin import keyset
from webhooks.admin.words import upper_first
from webhooks.dialects import DIALECTS
from webhooks.models import WAITING, Delivery, Status, Webhook
from webhooks.outbound.selection import Selection
from webhooks.wire.exchange import FailureKind

# What the list calls a state, and the stored values that it means.
VIEWS: Mapping[str, tuple[str, ...]] = {
    "failure": (Status.FAILURE,),
    "queued": WAITING,
    "held": (Status.HELD,),
    "success": (Status.SUCCESS,),
    "cancelled": (Status.CANCELLED,),
}
LABELS: Mapping[str, str] = {view: Status(view).label for view in VIEWS}
# Of a view above the list.
COUNT_CAP = 999
WORKER_LOST = "worker lost"
ERRORS = tuple((words, upper_first(words)) for words in (*(kind.words for kind in FailureKind), WORKER_LOST))

_NUMBER = re.compile(r"[0-9]{1,18}")
_CODE = re.compile(r"([1-9])(?:xx|([0-9]{2}))")
_SEARCH = "q"
# Where a page of the list begins: no part of what is asked.
_PLACE = frozenset({"after", "before", "p"})


def visible(request: HttpRequest) -> Selection:
    """Every delivery that the user may see; tests belong to who may see webhooks."""
    return Selection.seen_by(scope_of(request), tests=sees_webhooks(request))


def sees_webhooks(request: HttpRequest) -> bool:
    return scope_of(request).whole_account and request.user.has_perm("webhooks.view_webhook")


def asked(request: HttpRequest, query: QueryDict) -> Selection:
    """The deliveries that a query string means.

    Raises IncorrectLookupParameters: a filter that is not understood must not widen what is replayed.
    """
    known = {*_PLACE, _SEARCH, "e", *(name for names in _READ for name in names)}
    unknown = [name for name in query if name not in known and not name.startswith("_")]
    if unknown:
        raise IncorrectLookupParameters(f"{unknown[0]} is no filter of the history.")
    conditions: dict[str, Any] = {"words": query.get(_SEARCH, "").strip()[:200].replace("\0", "")}
    for names, read in _READ.items():
        conditions |= read({name: [value for value in query.getlist(name) if value.strip()] for name in names})
    return visible(request).narrowed(**conditions)


def place(query: QueryDict) -> tuple[str, int] | None:
    """("after" or "before", id) of the page that is asked for."""
    for name in ("after", "before"):
        text = query.get(name, "")
        if _NUMBER.fullmatch(text):
            return name, int(text)
    return None


def in_words(query: QueryDict) -> str:
    """What is asked for, as a sentence: "Status Failure or Held, webhook LeadPro production." """
    parts = []
    words = query.get(_SEARCH, "").strip()
    if words:
        parts.append(f"search “{words}”")
    values = {name: [value for value in query.getlist(name) if value.strip()] for name in query}
    if values.get("status"):
        parts.append("status " + " or ".join(LABELS[value] for value in values["status"]))
    if values.get("webhook"):
        name = Webhook.objects.filter(pk=values["webhook"][0]).values_list("name", flat=True).first()
        parts.append(f"webhook {name or values['webhook'][0]}")
    if values.get("event"):
        parts.append("event " + " or ".join(values["event"]))
    if values.get("code"):
        parts.append(f"answer {values['code'][0]}")
    if values.get("error"):
        parts.append(f"error {values['error'][0]}")
    if values.get("lead"):
        name = Lead.with_merged.filter(pk=values["lead"][0]).values_list("full_name", flat=True).first()
        parts.append(f"lead {name or values['lead'][0]}")
    sent = _sent({name: values.get(name, []) for name in _SENT})
    if sent.get("sent_from"):
        parts.append(f"sent from {absolute(sent['sent_from'])}")
    if sent.get("sent_to"):
        parts.append(f"sent until {absolute(sent['sent_to'])}")
    if values.get("together"):
        parts.append(f"sent together with delivery {values['together'][0]}")
    if values.get("replays"):
        parts.append("replays only")
    if not parts:
        return "All deliveries."
    text = ", ".join(parts) + "."
    return upper_first(text)


def address(**query: Any) -> str:
    """The list with these filters."""
    answer = QueryDict(mutable=True)
    for name, value in query.items():
        answer[name] = str(value)
    return reverse("admin:webhooks_delivery_changelist") + (f"?{answer.urlencode()}" if answer else "")


# From the values of parameters to conditions of a Selection.

_SENT = ("sent_from_0", "sent_from_1", "sent_to_0", "sent_to_1")
Values = Mapping[str, list[str]]


def _refuse(name: str, value: str) -> IncorrectLookupParameters:
    return IncorrectLookupParameters(f"{name}: {value!r} is not understood.")


def _statuses(values: Values) -> dict[str, Any]:
    statuses: list[str] = []
    for value in values["status"]:
        if value not in VIEWS:
            raise _refuse("status", value)
        statuses += VIEWS[value]
    return {"statuses": tuple(statuses)}


def _events(values: Values) -> dict[str, Any]:
    return {"sent_as": tuple(value.replace("\0", "") for value in values["event"])}


def _webhook(values: Values) -> dict[str, Any]:
    return {"webhook_id": _one_number("webhook", values)}


def _lead(values: Values) -> dict[str, Any]:
    return {"lead_id": _one_number("lead", values)}


def _together(values: Values) -> dict[str, Any]:
    return {"together": _one_number("together", values)}


def _replays(values: Values) -> dict[str, Any]:
    return {"replays_after": _one_number("replays", values)}


def _ids(values: Values) -> dict[str, Any]:
    """Chosen rows: at most a page of them."""
    if not values["ids"]:
        return {}
    numbers = values["ids"][0].split(",")
    if len(numbers) > keyset.PER_PAGE or not all(_NUMBER.fullmatch(number) for number in numbers):
        raise _refuse("ids", values["ids"][0][:50])
    return {"ids": tuple(map(int, numbers))}


def _one_number(name: str, values: Values) -> int | None:
    if not values[name]:
        return None
    if len(values[name]) > 1 or not _NUMBER.fullmatch(values[name][0]):
        raise _refuse(name, values[name][0])
    return int(values[name][0])


def _codes(values: Values) -> dict[str, Any]:
    if not values["code"]:
        return {}
    match = _CODE.fullmatch(values["code"][0].strip().lower())
    if match is None:
        raise _refuse("code", values["code"][0])
    if match[2] is None:
        begin = int(match[1]) * 100
        return {"codes": (begin, begin + 99)}
    code = int(match[1] + match[2])
    return {"codes": (code, code)}


def _error(values: Values) -> dict[str, Any]:
    return {"error": values["error"][0].replace("\0", "")} if values["error"] else {}


def _sent(values: Values) -> dict[str, Any]:
    """A day without a time means all of it."""
    return {
        "sent_from": _moment(values["sent_from_0"], values["sent_from_1"], time.min),
        "sent_to": _moment(values["sent_to_0"], values["sent_to_1"], time.max),
    }


def _moment(days: list[str], times: list[str], otherwise: time) -> datetime | None:
    if not days:
        return None
    try:
        day = forms.DateField().to_python(days[0])
        at = forms.TimeField().to_python(times[0]) if times else otherwise
        assert day is not None and at is not None
        return timezone.make_aware(datetime.combine(day, at))
    except (forms.ValidationError, ValueError, OverflowError):
        raise _refuse("sent", days[0]) from None


_READ: Mapping[tuple[str, ...], Callable[[Values], dict[str, Any]]] = {
    ("status",): _statuses,
    ("webhook",): _webhook,
    ("event",): _events,
    ("code",): _codes,
    ("error",): _error,
    _SENT: _sent,
    ("lead",): _lead,
    ("together",): _together,
    ("replays",): _replays,
    ("ids",): _ids,
}


# The filters in the sheet: what they do to the rows is `asked`.


class StatusFilter(CheckboxFilter):
    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return list(LABELS.items())

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset


class WebhookFilter(DropdownFilter):
    title = "webhook"
    parameter_name = "webhook"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [
            (str(pk), name)
            for pk, name in Webhook.objects.filter(scope_of(request).in_account())
            .order_by("name")
            .values_list("pk", "name")[:500]
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset


class EventFilter(CheckboxFilter):
    title = "event"
    parameter_name = "event"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        names = sorted({name for dialect in DIALECTS.values() for name in dialect.events})
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset


class CodeFilter(TextFilter):
    title = "answer code (500 or 5xx)"
    parameter_name = "code"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset


class ErrorFilter(DropdownFilter):
    title = "error"
    parameter_name = "error"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return list(ERRORS)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset


class SentFilter(admin.ListFilter):
    title = "transmission date"
    template = "unfold/filters/filters_datetime_range.html"
    form_class = RangeDateTimeForm

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in _SENT:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(_SENT)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset

    def choices(self, changelist: Any) -> Iterator[Any]:
        yield {"form": self.form_class(name="sent", data={name: self.used_parameters.get(name) for name in _SENT})}


FILTERS = (StatusFilter, WebhookFilter, EventFilter, CodeFilter, ErrorFilter, SentFilter)


class Pages:
    """What Unfold's footer asks of a paginator, where pages have no numbers."""

    template_name: ClassVar[str] = "admin/webhooks/delivery/pages.html"
    per_page = keyset.PER_PAGE


class HistoryList(ChangeList):
    """The changelist, read by keyset."""

    def get_filters_params(self, params: Any = None) -> Any:
        remaining = super().get_filters_params(params)
        # What `asked` reads without a filter in the sheet.
        for name in (*_PLACE, "lead", "together", "replays", "ids"):
            remaining.pop(name, None)
        return remaining

    def get_results(self, request: HttpRequest) -> None:
        selection = asked(request, request.GET)
        parts = selection.parts()
        where = place(request.GET)
        if where is None:
            self.page = keyset.first(parts)
        elif where[0] == "after":
            self.page = keyset.after(parts, where[1])
        else:
            self.page = keyset.before(parts, where[1])
        self.narrowed = selection != visible(request)
        self.result_list = rows(request, self.page.ids)
        self.result_count = len(self.result_list)
        # Equal, so that nothing is said about a number of results: nobody counted them.
        self.full_result_count = self.result_count
        self.show_full_result_count = False
        self.show_admin_actions = True
        self.can_show_all = False
        # Of numbered pages.
        self.multi_page = False
        self.paginator = Pages()

    def newer_address(self) -> str:
        return self._page("before", self.page.newer)

    def older_address(self) -> str:
        return self._page("after", self.page.older)

    def first_address(self) -> str:
        return self.get_query_string(remove=["after", "before"])

    def _page(self, name: str, pk: int | None) -> str:
        return self.get_query_string({name: pk}, remove=["after", "before"]) if pk is not None else ""


def rows(request: HttpRequest, ids: tuple[int, ...]) -> list[Delivery]:
    """The deliveries with what the list shows of them, newest first: three statements at most, however many."""
    found = list(
        Delivery.objects.filter(pk__in=ids)
        .select_related("event")
        .defer("event__snapshot", "event__changes")
        .order_by("-pk")
    )
    mark_leads(request, found)
    mark_together(found)
    return found


def mark_together(deliveries: list[Delivery]) -> None:
    """Set `others`: with how many others each is, or was, sent."""
    firsts = {each.sent_with_id for each in deliveries if each.sent_with_id is not None}
    counted = Delivery.objects.filter(sent_with__in=firsts).order_by().values_list("sent_with")
    numbers = dict(counted.annotate(number=Count("pk"))) if firsts else {}
    for each in deliveries:
        each.others = numbers.get(each.sent_with_id, 1) - 1  # type: ignore[attr-defined]


def mark_leads(request: HttpRequest, deliveries: list[Delivery]) -> None:
    """Set `lead_address`: where the lead's page is, '' when it is gone or not the user's."""
    numbers = {each.event.record_id for each in deliveries if each.event and each.event.record == Lead.record_name}
    seen: set[int] = set()
    if numbers and request.user.has_perm("leads.view_lead"):
        seen = set(scope_of(request).leads().filter(pk__in=numbers).order_by().values_list("pk", flat=True))
    for each in deliveries:
        there = each.event is not None and each.event.record == Lead.record_name and each.event.record_id in seen
        each.lead_address = (  # type: ignore[attr-defined]
            reverse("admin:leads_lead_change", args=[each.event.record_id]) if there and each.event else ""
        )


def views(request: HttpRequest, elsewhere: bool = False) -> list[dict[str, Any]]:
    """The quick views above the list, with their counts. elsewhere: a view that is none of these is shown."""
    chosen = request.GET.getlist("status")
    everything = visible(request)
    shown = [{"title": "All", "address": address(), "count": "", "active": not chosen and not elsewhere}]
    counted = ("failure", "queued", "held", "success")
    sets = [everything.narrowed(statuses=tuple(VIEWS[view])).parts() for view in counted]
    for view, (total, more) in zip(counted, keyset.counts(sets, COUNT_CAP), strict=True):
        count = f"{total:,}+" if more else f"{total:,}"
        shown.append(
            {"title": LABELS[view], "address": address(status=view), "count": count, "active": chosen == [view]}
        )
    return shown
