"""Receipts: what was posted to inbound webhooks, what became of it, and processing it again.

A receipt is only read here; what processes it again is inbound/reprocess.py. Payloads are for who may view them, and
each look is logged.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesCheckboxFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.views import ChangeList

from leads.admin.base import Admin, go_to, is_key, scope_of
from leads.admin.display import MISSING, ago, clip, mono
from leads.admin.filters import DaysFilter
from leads.admin.paging import CappedPaginator, QuietChangeList
from webhooks.admin import receipt_page
from webhooks.inbound import reprocess
from webhooks.models import InboundWebhook, Receipt, ReceiptStatus

# Leads that a search looks for receipts of.
_MOST_LEADS = 200
# Webhooks that the filter offers.
_OFFERED = 500


def _known(request: HttpRequest) -> QuerySet[InboundWebhook]:
    """The webhooks that the user may see: they are the whole account's."""
    scope = scope_of(request)
    return InboundWebhook.objects.filter(scope.in_account()) if scope.whole_account else InboundWebhook.objects.none()


class InboundFilter(DropdownFilter):
    """What is chosen stays on offer, so that links to it may be made."""

    title = "inbound webhook"
    parameter_name = "inbound"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        scope = scope_of(request)
        rows = _known(request).select_related("account")
        rows = rows.order_by("account__name", "name")[:_OFFERED]
        return [(str(row.pk), f"{row.account.name} – {row.name}" if scope.every_account else row.name) for row in rows]

    def has_output(self) -> bool:
        # What was asked for by an address is not dropped in silence.
        return bool(self.lookup_choices) or bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(inbound=value) if is_key(value) else queryset.none()


class ReceivedFilter(DaysFilter):
    words = "Received between"


class ReceiptList(QuietChangeList):
    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = receipt_page.named(request, self.result_list)


@admin.register(Receipt)
class ReceiptAdmin(Admin):
    list_display = (
        "shown_state",
        "shown_received",
        "shown_inbound",
        "shown_lead",
        "shown_answer",
        "shown_reason",
        "shown_sender",
    )
    list_display_links = ("shown_received",)
    list_per_page = 50
    list_disable_select_all = True
    show_facets = ShowFacets.NEVER
    paginator = CappedPaginator
    ordering = ("-received_at", "-id")
    sortable_by = ()
    search_fields = ("uid", "message_id")
    search_help_text = "Lead, e-mail, request id or message id"
    actions = ("process_selected",)
    actions_detail = ("process_again",)
    empty_title = "No receipts yet"
    empty_text = "Whatever is posted to an inbound webhook is kept here as it came."
    empty_icon = "receipt_long"

    # Who may

    def scoped(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """They are the whole account's, as their webhooks are."""
        scope = scope_of(request)
        return queryset.filter(scope.in_account()) if scope.whole_account else queryset.none()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer(*receipt_page.HEAVY)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_process_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Raises Http404 for a receipt out of scope, as for one that is not there."""
        if not (self.has_view_permission(request) and request.user.has_perm("webhooks.reprocess_receipt")):
            return False
        if object_id is not None:
            self.found(request, object_id)
        return True

    def found(self, request: HttpRequest, object_id: Any) -> Receipt:
        known = self.scoped(request, Receipt.objects.select_related("inbound", "account"))
        receipt = known.filter(pk=int(object_id)).first() if is_key(str(object_id)) else None
        if receipt is None:
            raise Http404
        return receipt

    # List

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ReceiptList

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = [("status", ChoicesCheckboxFilter), InboundFilter, ("received_at", ReceivedFilter)]
        return [*filters, ("account", RelatedDropdownFilter)] if scope_of(request).every_account else filters

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        term = search_term.replace("\x00", "").strip()[:200]
        if not term:
            return queryset, False
        leads = scope_of(request).leads().order_by("-pk")
        for word in term.split():
            leads = leads.filter(Q(full_name__icontains=word) | Q(email__icontains=word))
        ids = list(leads.values_list("pk", flat=True)[:_MOST_LEADS])
        if is_key(term):
            ids.append(int(term))
        return queryset.filter(Q(lead_id__in=ids) | Q(uid=term) | Q(message_id=term)), False

    @display(description="Status")
    def shown_state(self, receipt: Receipt) -> SafeString:
        return receipt_page.state(receipt)

    @display(description="Received")
    def shown_received(self, receipt: Receipt) -> SafeString:
        return ago(receipt.received_at)

    @display(description="Inbound webhook")
    def shown_inbound(self, receipt: Receipt) -> SafeString:
        return clip(receipt.inbound_name)

    @display(description="Lead")
    def shown_lead(self, receipt: Receipt) -> SafeString | str:
        shown = receipt_page.lead(receipt)
        if not receipt.action:
            return shown
        return format_html('{} <span class="lc-second">{}</span>', shown, receipt.action)

    @display(description="Answer")
    def shown_answer(self, receipt: Receipt) -> SafeString:
        return mono(str(receipt.answered)) if receipt.answered else MISSING

    @display(description="What was wrong")
    def shown_reason(self, receipt: Receipt) -> SafeString:
        return clip(receipt_page.reason(receipt))

    @display(description="Sender")
    def shown_sender(self, receipt: Receipt) -> SafeString:
        return clip(receipt.sender)

    # One receipt

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
            raise PermissionDenied
        receipt = self.found(request, object_id)
        actions = self._get_actions_navigation(
            self.actions_detail, self.get_actions_detail(request, receipt.pk), str(receipt.pk)
        )
        context = {
            **self.admin_site.each_context(request),
            **receipt_page.context(request, receipt),
            "title": str(receipt),
            "opts": self.opts,
            "original": receipt,
            # Unfold's way back.
            "object": receipt,
            "is_fullwidth": "1",
            "actions_detail": actions,
        }
        return TemplateResponse(request, "admin/webhooks/receipt/show.html", context)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Once it is applied, nothing is left to do."""
        if not reprocess.possible(Receipt.objects.filter(pk=self.found(request, object_id).pk)).exists():
            return []
        return super().get_actions_detail(request, object_id)

    @action(
        description="Process again…",
        permissions=["process"],
        url_path="process-again",
        icon="replay",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Process this receipt again?",
            "description": "What came is read by the mapping as it is now. The sender is not told.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Process receipt",
        },
    )
    def process_again(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        receipt = self.found(request, object_id)
        self._process(request, Receipt.objects.filter(pk=receipt.pk))
        return go_to(request, self.url("change", receipt))

    # Several

    @admin.action(description="Process again…", permissions=["process"])
    def process_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        return HttpResponseRedirect(f"{reverse('admin:webhooks_receipt_process')}?ids={','.join(chosen)}")

    def get_custom_urls(self) -> Any:
        return (("process/", "webhooks_receipt_process", self.process_view),)

    def process_view(self, request: HttpRequest, model_admin: Any = None) -> HttpResponse:
        """Asks, with counts, about the receipts of ?ids= or all refused ones of ?inbound=. Not one unit of work."""
        if not self.has_process_permission(request):
            raise PermissionDenied
        chosen, back, of = self._chosen(request)
        if request.method == "POST":
            self._process(request, chosen)
            return HttpResponseRedirect(back)
        possible = reprocess.possible(chosen).count()
        context = {
            **self.admin_site.each_context(request),
            "title": "Process again",
            "opts": self.opts,
            "is_fullwidth": "1",
            "count": possible,
            "others": chosen.count() - possible,
            "of": of,
            "at_once": reprocess.AT_ONCE,
            "list": back,
        }
        return TemplateResponse(request, "admin/webhooks/receipt/process.html", context)

    def _chosen(self, request: HttpRequest) -> tuple[QuerySet[Receipt], str, InboundWebhook | None]:
        """The receipts that the address names, the list to go back to, and the webhook if it is one's."""
        seen = self.scoped(request, Receipt.objects.all())
        ids, pk = request.GET.get("ids", ""), request.GET.get("inbound", "")
        if is_key(pk):
            inbound = _known(request).filter(pk=pk).first()
            if inbound is None:
                raise Http404
            refused = seen.filter(inbound=inbound, status=ReceiptStatus.REFUSED)
            return refused, f"{self.url('changelist')}?inbound={inbound.pk}", inbound
        keys = ids.split(",") if ids else []
        if not all(map(is_key, keys)):
            raise BadRequest("A selected row is no number.")
        return seen.filter(pk__in=keys), self.url("changelist"), None

    def _process(self, request: HttpRequest, receipts: QuerySet[Receipt]) -> None:
        done = reprocess.reprocess(receipts)
        said, refused = receipt_page.outcome(done)
        if said:
            messages.success(request, said)
        if refused:
            messages.warning(request, refused)
        if not said and not refused:
            messages.warning(request, "Nothing was processed: none of them is refused or waits.")
