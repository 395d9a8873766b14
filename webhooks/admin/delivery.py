"""Webhook History: the list, the page of one delivery, and what can be done with them.

History is only read here, and added to: what an action does stands in outbound/replay.py and waiting.py. Every action
is a POST after a dialog or a page that says what happens; each of them asks for the right and for the rows' scope.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.views import ChangeList

from leads.admin.base import Admin, go_to
from leads.admin.display import clip, mono, plural
from webhooks.admin import delivery_page, history, issues, words
from webhooks.models import OPEN, Delivery, Replay, State, Status
from webhooks.outbound import replay as replaying
from webhooks.outbound import waiting
from webhooks.outbound.selection import Selection

BY_CAUSE = "Failures by cause"


class Dialog(BaseDialogForm):
    """Asks about one delivery, which the action has found in the user's scope already."""

    form_before_template = "admin/webhooks/delivery/dialog.html"

    def get_before_template_context(self, request: HttpRequest, object_id: int | str | None = None) -> dict[str, Any]:
        delivery = Delivery.objects.select_related("webhook").get(pk=str(object_id))
        return {"delivery": delivery, "sentences": self.sentences(delivery), "refused": self.refused(delivery)}

    def sentences(self, delivery: Delivery) -> list[str]:
        raise NotImplementedError

    def refused(self, delivery: Delivery) -> str:
        """Why it cannot be done, '' when it can."""
        return ""


class ReplayDialog(Dialog):
    def sentences(self, delivery: Delivery) -> list[str]:
        told = ["The same bytes are sent under the same webhook-id; receivers that drop repeats ignore what they have."]
        if others := waiting.others(delivery):
            told.insert(0, f"It was sent together with {plural(others, 'other')}: all of them are sent again, as one.")
        if delivery.status == Status.SUCCESS:
            told.insert(0, "The receiver has accepted it already.")
        if delivery.webhook is not None and delivery.webhook.state == State.PAUSED:
            told.append(f"{delivery.webhook.name} is paused: it is held until you resume the webhook.")
        return told

    def refused(self, delivery: Delivery) -> str:
        return unplayable(delivery)


class CancelDialog(Dialog):
    def sentences(self, delivery: Delivery) -> list[str]:
        if others := waiting.others(delivery):
            together = f"It would be sent together with {plural(others, 'other')}: all of them are cancelled."
            return [together, "They are not sent; each can be replayed, which sends all of them."]
        return ["It is not sent; it can be replayed."]

    def refused(self, delivery: Delivery) -> str:
        return "" if waiting.cancellable(delivery) else "It does not wait any more."


def unplayable(delivery: Delivery) -> str:
    """Why this delivery cannot be replayed, '' when it can."""
    if delivery.test:
        return "A test cannot be replayed. Send another one from the webhook's page."
    if delivery.webhook is None:
        return f"{delivery.webhook_name} was deleted: there is nowhere to send it."
    if delivery.status in OPEN:
        return "It still waits, and is sent anyway."
    if delivery.webhook.state == State.DISABLED:
        return f"{delivery.webhook.name} is disabled: enable it first."
    return ""


@admin.register(Delivery)
class DeliveryAdmin(Admin):
    list_display = (
        "shown_state",
        "shown_event",
        "shown_lead",
        "shown_webhook",
        "shown_answer",
        "shown_tries",
        "shown_sent",
    )
    list_display_links = ("shown_event",)
    list_filter = history.FILTERS
    list_disable_select_all = True
    show_facets = ShowFacets.NEVER
    ordering = ("-pk",)
    sortable_by = ()
    # `history.asked` searches; this only makes the box appear.
    search_fields = ("message_id",)
    search_help_text = "Lead, e-mail, webhook-id or error"
    actions = ("replay_selected", "cancel_selected", "try_selected")
    actions_list = ("replay_matching",)
    actions_row = ("show", "replay")
    actions_detail = ("cancel", "replay")
    empty_title = "No deliveries yet"
    empty_text = "A row appears here when a lead changes and an enabled webhook listens to that event."
    empty_icon = "history"

    # Who may

    def scoped(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return history.visible(request).deliveries()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_replay_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self._may(request, "replay", object_id)

    def has_cancel_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self._may(request, "cancel", object_id)

    def _may(self, request: HttpRequest, verb: str, object_id: Any) -> bool:
        """Raises Http404 for a delivery out of scope, as for one that is not there."""
        if not (self.has_view_permission(request) and request.user.has_perm(f"webhooks.{verb}_delivery")):
            return False
        if object_id is not None:
            self.found(request, object_id)
        return True

    def found(self, request: HttpRequest, object_id: Any) -> Delivery:
        text = str(object_id)
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise Http404
        known = history.visible(request).narrowed(ids=(int(text),)).deliveries()
        delivery = known.select_related("event", "webhook").first()
        if delivery is None:
            raise Http404
        return delivery

    # List

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return history.HistoryList

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        return queryset, False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        # Whatever `history.asked` does not know it refuses.
        return True

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        context: dict[str, Any] = {"title": "Webhook History", **(extra_context or {})}
        if request.method == "GET":
            context |= {"views": self._views(request), "scaled": words.scaled(), "replays": self._running(request)}
        response = super().changelist_view(request, context)
        # What the list shows is what "Replay matching…" asks about; Unfold's link knows no filters.
        for each in (getattr(response, "context_data", None) or {}).get("actions_list", ()):
            each["path"] = f"{each['path']}?{request.GET.urlencode()}"
        return response

    def _views(self, request: HttpRequest, by_cause: bool = False) -> list[dict[str, Any]]:
        views = history.views(request, elsewhere=by_cause)
        if history.sees_webhooks(request):
            count = issues.open_count(request)
            views.append({"title": BY_CAUSE, "address": issues.address(), "count": count, "active": by_cause})
        return views

    def causes_view(self, request: HttpRequest, model_admin: Any = None) -> HttpResponse:
        """What went wrong at which webhook, once for each cause."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": BY_CAUSE,
            "opts": self.opts,
            "is_fullwidth": "1",
            "views": self._views(request, by_cause=True),
            "listed": issues.listed(request),
        }
        return TemplateResponse(request, "admin/webhooks/delivery/causes.html", context)

    def _running(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Big replays of the user's that the worker has not finished."""
        mine = Replay.objects.filter(finished_at=None, started_by=request.user.pk).order_by("pk")[:3]
        return [{"replay": each, "address": history.address(replays=each.through)} for each in mine]

    @display(description="Status")
    def shown_state(self, delivery: Delivery) -> SafeString:
        return words.state(delivery)

    @display(description="Event")
    def shown_event(self, delivery: Delivery) -> SafeString:
        return mono(delivery.sent_as)

    @display(description="Lead")
    def shown_lead(self, delivery: Delivery) -> SafeString:
        return words.lead(delivery)

    @display(description="Webhook")
    def shown_webhook(self, delivery: Delivery) -> SafeString:
        return clip(delivery.webhook_name)

    @display(description="Answer")
    def shown_answer(self, delivery: Delivery) -> SafeString:
        return words.answer(delivery)

    @display(description="Tries")
    def shown_tries(self, delivery: Delivery) -> SafeString:
        return words.tries(delivery)

    @display(description="Transmission date")
    def shown_sent(self, delivery: Delivery) -> SafeString:
        return words.transmitted(delivery)

    # One delivery

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show: a page of our own, as nothing of it can be edited."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            return super().changeform_view(request, object_id, form_url, extra_context)
        delivery = self.found(request, object_id)
        actions = self._get_actions_navigation(
            self.actions_detail,
            self.get_actions_detail(request, delivery.pk),
            str(delivery.pk),
        )
        context = {
            **self.admin_site.each_context(request),
            **delivery_page.context(request, delivery),
            "title": str(delivery),
            "opts": self.opts,
            "original": delivery,
            # Unfold's way back.
            "object": delivery,
            "is_fullwidth": "1",
            "actions_detail": actions,
            "may_try_now": waiting.tryable(delivery) and self.has_cancel_permission(request),
        }
        return TemplateResponse(request, "admin/webhooks/delivery/show.html", context)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """What can be done with it now."""
        delivery = self.found(request, object_id)
        useless = set()
        if not waiting.cancellable(delivery):
            useless.add("webhooks_delivery_cancel")
        if unplayable(delivery):
            useless.add("webhooks_delivery_replay")
        allowed = super().get_actions_detail(request, object_id)
        return [each for each in allowed if each.action_name not in useless]

    @action(description="Show", permissions=["view"], url_path="show", icon="visibility")
    def show(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(self.url("change", self.found(request, object_id)))

    @action(
        description="Replay…",
        permissions=["replay"],
        url_path="replay",
        icon="replay",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Replay this delivery?",
            "form_class": ReplayDialog,
            "form_submit_text": "Replay delivery",
        },
    )
    def replay(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        delivery = self.found(request, object_id)
        back = self.url("change", delivery)
        refused = unplayable(delivery)
        if refused:
            messages.warning(request, f"Nothing was added. {refused}")
            return go_to(request, back)
        chosen = history.visible(request).narrowed(ids=(delivery.pk,), through=replaying.newest())
        try:
            started = replaying.carry_out(chosen, again=True, expected=1, user_id=request.user.pk)
        except replaying.Changed:
            messages.warning(request, "Nothing was added. The same webhook-id waits already, and is sent anyway.")
            return go_to(request, back)
        self._tell_added(request, started, chosen)
        return go_to(request, back)

    @action(
        description="Cancel…",
        permissions=["cancel"],
        url_path="cancel",
        icon="block",
        dialog={
            "title": "Cancel this delivery?",
            "form_class": CancelDialog,
            "form_submit_text": "Cancel delivery",
        },
    )
    def cancel(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        delivery = self.found(request, object_id)
        self._cancel(request, history.visible(request).narrowed(ids=(delivery.pk,)))
        return go_to(request, self.url("change", delivery))

    def try_now_view(self, request: HttpRequest, object_id: str, model_admin: Any = None) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self._demand(request, "cancel")
        delivery = self.found(request, object_id)
        self._try_now(request, history.visible(request).narrowed(ids=(delivery.pk,)))
        return HttpResponseRedirect(self.url("change", delivery))

    # Several

    @admin.action(description="Replay…", permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:webhooks_delivery_replay_matching')}?{_ids(request)}")

    @admin.action(description="Cancel waiting…", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        return HttpResponseRedirect(f"{reverse('admin:webhooks_delivery_cancel_selected')}?{_ids(request)}")

    @admin.action(description="Try now", permissions=["cancel"])
    def try_selected(self, request: HttpRequest, queryset: Any) -> None:
        self._try_now(request, history.asked(request, QueryDict(_ids(request))))

    def get_custom_urls(self) -> Any:
        return (
            ("causes/", "webhooks_delivery_causes", self.causes_view),
            ("cancel/", "webhooks_delivery_cancel_selected", self.cancel_view),
            ("<path:object_id>/try-now/", "webhooks_delivery_try_now", self.try_now_view),
        )

    @action(description="Replay matching…", permissions=["replay"], url_path="replay", icon="replay")
    def replay_matching(self, request: HttpRequest) -> HttpResponse:
        """Asks, with counts, and adds what was counted and nothing more. The address says what is meant."""
        try:
            chosen = history.asked(request, request.GET)
        except IncorrectLookupParameters as error:
            return self._not_understood(request, error)
        changed = False
        if request.method == "POST":
            through, again, expected = _answers(request.POST)
            chosen = chosen.narrowed(through=through)
            try:
                started = replaying.carry_out(chosen, again=again, expected=expected, user_id=request.user.pk)
            except replaying.Changed as error:
                plan, changed = error.plan, True
            else:
                self._tell_added(request, started, chosen)
                return HttpResponseRedirect(history.address())
        else:
            chosen = chosen.narrowed(through=replaying.newest())
            plan = replaying.plan(chosen)
        everything = history.visible(request)
        context = {
            **self.admin_site.each_context(request),
            "title": "Replay",
            "opts": self.opts,
            "is_fullwidth": "1",
            "plan": plan,
            "changed": changed,
            "through": chosen.through,
            "skip": plan.adds(again=False),
            "again": plan.adds(again=True),
            "paused": [line for line in plan.lines if line.state == State.PAUSED],
            "disabled": [line for line in plan.lines if line.state == State.DISABLED],
            "deleted": [line for line in plan.lines if line.state == replaying.DELETED],
            "at_once": replaying.AT_ONCE,
            "in_words": _selection_words(request.GET),
            "everything": chosen.narrowed(through=None) == everything,
            "list": f"{history.address()}?{request.GET.urlencode()}",
            "query": request.GET.urlencode(),
            "labels": {State.PAUSED: "Paused"},
        }
        return TemplateResponse(request, "admin/webhooks/replay.html", context)

    def cancel_view(self, request: HttpRequest, model_admin: Any = None) -> HttpResponse:
        self._demand(request, "cancel")
        try:
            chosen = history.asked(request, request.GET)
        except IncorrectLookupParameters as error:
            return self._not_understood(request, error)
        if chosen.ids is None:
            return self._not_understood(request, "Select the deliveries first.")
        if request.method == "POST":
            self._cancel(request, chosen)
            return HttpResponseRedirect(history.address())
        rows = Delivery.objects.filter(pk__in=chosen.deliveries().values("pk"))
        selected = list(rows.values_list("status", flat=True))
        unsent, drawn_in = waiting.would_cancel(rows)
        context = {
            **self.admin_site.each_context(request),
            "title": "Cancel waiting deliveries",
            "opts": self.opts,
            "is_fullwidth": "1",
            "count": unsent,
            "drawn_in": drawn_in,
            "sending": sum(status in OPEN for status in selected) - (unsent - drawn_in),
            "others": sum(status not in OPEN for status in selected),
            "list": history.address(),
        }
        return TemplateResponse(request, "admin/webhooks/delivery/cancel.html", context)

    def _demand(self, request: HttpRequest, verb: str) -> None:
        if not self._may(request, verb, None):
            raise PermissionDenied

    def _not_understood(self, request: HttpRequest, why: object) -> HttpResponse:
        messages.error(request, str(why))
        return HttpResponseRedirect(history.address())

    def _cancel(self, request: HttpRequest, chosen: Selection) -> None:
        count = waiting.cancel(Delivery.objects.filter(pk__in=chosen.deliveries().values("pk")))
        if count:
            messages.success(request, f"{plural(count, 'delivery', 'deliveries')} cancelled.")
        else:
            messages.warning(request, "Nothing was cancelled: none of them waits any more.")

    def _try_now(self, request: HttpRequest, chosen: Selection) -> None:
        count = waiting.try_now(Delivery.objects.filter(pk__in=chosen.deliveries().values("pk")))
        if count:
            are = "is" if count == 1 else "are"
            messages.success(request, f"{plural(count, 'delivery', 'deliveries')} {are} tried now.")
        else:
            messages.warning(request, "Nothing is tried now: none of them is In Queue.")

    def _tell_added(self, request: HttpRequest, started: replaying.Started, chosen: Selection) -> None:
        where = history.address(replays=chosen.through)
        if started.replay is None:
            text = f"{plural(started.added, 'delivery', 'deliveries')} added."
        else:
            text = f"{plural(started.replay.chosen, 'delivery', 'deliveries')} are being added by the worker."
        messages.success(request, format_html('{} <a href="{}">View</a>', text, where))


def _ids(request: HttpRequest) -> str:
    """The rows that were ticked, as a query string."""
    chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
    return f"ids={','.join(chosen)}"


def _answers(posted: QueryDict) -> tuple[int, bool, int]:
    """(through, also those that succeeded, how many the page said); what is no number is 0 and thus matches nothing."""

    def number(name: str) -> int:
        text = posted.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0

    again = posted.get("succeeded") == "send"
    return number("through"), again, number("again" if again else "skip") or -1


def _selection_words(query: QueryDict) -> str:
    if query.get("ids"):
        return f"{plural(query['ids'].count(',') + 1, 'selected delivery', 'selected deliveries')}."
    return history.in_words(query)
