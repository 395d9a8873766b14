"""The mapping page of an inbound webhook: what came at the left, which field it fills at the right, what comes of it.

Every button posts the whole form and gets the page anew with what was typed; only Save stores. Where scripts run,
static/leadcrm/mapping.js does the same in place, and asks for the preview of what was typed.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from unfold.widgets import BASE_INPUT_CLASSES, SELECT_CLASSES

from leads import intake
from leads import setup as setups
from leads.admin.base import is_key, scope_of
from leads.admin.display import absolute, plural
from leads.api.errors import Problem
from leads.changes import unit
from webhooks import looks
from webhooks.admin import inbound_page
from webhooks.admin.exchange import pretty
from webhooks.admin.mapping_outcome import Outcome, outcome
from webhooks.admin.mapping_rows import Draft, Options, drafts_of, numbered, step_input, typed
from webhooks.inbound import process, rules, translate
from webhooks.inbound.parcel import Sender
from webhooks.inbound.tree import Tree, tree_of
from webhooks.models import InboundWebhook, Receipt, ReceiptStatus, Verification
from webhooks.wire import mapping
from webhooks.wire.mapping import TRANSFORMS, Step
from webhooks.wire.presets import PRESETS, Preset

if TYPE_CHECKING:
    from leads.admin.base import Admin
else:
    Admin = object

MOST_RECEIPTS: Final = 20
LARGEST_SAMPLE: Final = 256 * 1024  # bytes
_STEP_OF_ROW: Final = re.compile(r"([0-9]{1,6})\.([0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class Sample:
    """What is mapped by. fault: why it cannot be read; shows: whether its values may be seen."""

    body: bytes = b""
    document: Any = None
    tree: Tree | None = None
    fault: str = ""
    shows: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """The page's form. text: the pasted sample; was: of the stored mapping that the rows were made of.

    takes_only, sets_match   whether the webhook is to take only what the preset names, and to know leads by its field
    """

    drafts: Sequence[Draft]
    receipt: Receipt | None = None
    text: str = ""
    preset: Preset | None = None
    takes_only: bool = False
    sets_match: bool = False
    was: str = ""


@dataclass(frozen=True, slots=True)
class Tested:
    """The answer that Send Test got, and the address of its receipt."""

    code: int
    body: str
    receipt: str


class MappingPage(Admin):
    """For the admin of inbound webhooks, before its other bases."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        page = "webhooks_inboundwebhook_mapping"
        return [
            path("<int:inbound_id>/mapping/", view(self.mapping_view), name=page),
            path("<int:inbound_id>/mapping/preview/", view(self.mapping_preview_view), name=f"{page}_preview"),
            *super().get_urls(),
        ]

    def mapping_view(self, request: HttpRequest, inbound_id: int) -> HttpResponse:
        inbound = self._inbound(request, inbound_id)
        if request.method in ("GET", "HEAD"):
            return self._page(request, inbound, _stored(request, inbound))
        if request.method != "POST":
            return HttpResponseNotAllowed(["GET", "POST"])
        asked = _asked(request, inbound)
        if "_save" in request.POST:
            return self._saved(request, inbound, asked)
        if "_test" in request.POST:
            return self._page(request, inbound, asked, tested=self._test(request, inbound, asked))
        return self._page(request, inbound, _changed(request, inbound, asked))

    def mapping_preview_view(self, request: HttpRequest, inbound_id: int) -> HttpResponse:
        """What would come of the form as it is. Nothing is stored."""
        inbound = self._inbound(request, inbound_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        asked = _asked(request, inbound)
        sample = _sample(request, asked)
        _note(request, asked, sample)
        context = {"outcome": _outcome(request, inbound, asked, sample), "sample": sample, "is_fragment": True}
        return TemplateResponse(request, "admin/webhooks/inboundwebhook/mapping_preview.html", context)

    def _inbound(self, request: HttpRequest, inbound_id: int) -> InboundWebhook:
        if not self.has_change_permission(request):
            raise PermissionDenied
        inbound = self.get_object(request, str(inbound_id)) if is_key(str(inbound_id)) else None
        if inbound is None:
            raise Http404
        return inbound

    def _page(
        self, request: HttpRequest, inbound: InboundWebhook, asked: Asked, *, tested: Tested | None = None
    ) -> HttpResponse:
        asked = replace(asked, drafts=numbered(asked.drafts))
        sample = _sample(request, asked)
        _note(request, asked, sample)
        options = Options(translate.targets(setups.of(inbound.account_id)))
        found = _outcome(request, inbound, asked, sample)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Mapping of {inbound}",
            "opts": self.opts,
            "inbound": inbound,
            "change_url": self.url("change", inbound),
            "preview_url": reverse(
                f"{self.admin_site.name}:webhooks_inboundwebhook_mapping_preview", args=[inbound.pk]
            ),
            "asked": asked,
            "receipts": [(one, _receipt_words(one)) for one in _receipts(inbound)],
            "sample": sample,
            "outcome": found,
            "rows": [(draft, came, options.of(draft.field)) for draft, came in found.drafts],
            "spare": (Draft(number=str(len(asked.drafts))), "", options.html),
            "blank": (Draft(number="__n__"), "", options.html),
            "new_steps": [(do, step_input(Step(do))) for do, _ in TRANSFORMS],
            "transforms": TRANSFORMS,
            "presets": PRESETS.values(),
            "hints": _hints(inbound, asked.preset),
            "match": _match(inbound, asked.preset),
            "tested": tested,
            "is_changed": request.method == "POST" and _digest(mapping.write(found.rows)) != _digest(inbound.mapping),
            "input_classes": " ".join(BASE_INPUT_CLASSES),
            "select_classes": " ".join(SELECT_CLASSES),
        }
        return TemplateResponse(request, "admin/webhooks/inboundwebhook/mapping.html", context)

    def _saved(self, request: HttpRequest, inbound: InboundWebhook, asked: Asked) -> HttpResponse:
        found = _outcome(request, inbound, asked, Sample())
        wrong = sum(1 for draft, _ in found.drafts if draft.fault)
        if wrong:
            messages.error(request, f"Nothing was saved: {plural(wrong, 'row')} cannot be used, see below.")
            return self._page(request, inbound, asked)
        if asked.was != _digest(inbound.mapping):
            messages.error(
                request,
                "Nothing was saved: the mapping was changed elsewhere meanwhile. Save again to put yours in its place.",
            )
            return self._page(request, inbound, replace(asked, was=_digest(inbound.mapping)))
        with unit():
            trial = _as_asked(inbound, asked)
            trial.mapping = mapping.write(found.rows)
            trial.save(update_fields=["mapping", "only_path", "only_values", "match"])
            self.log_change(request, inbound, "Changed the mapping.")
        messages.success(request, f"Mapping of {inbound} saved: {plural(len(found.rows), 'row')}.")
        refused = Receipt.objects.filter(inbound=inbound, status=ReceiptStatus.REFUSED).count()
        if refused and request.user.has_perm("webhooks.reprocess_receipt"):
            words = plural(refused, "post that was refused", "posts that were refused")
            link = inbound_page.linked("process again", inbound, ReceiptStatus.REFUSED)
            messages.info(request, format_html("{} can be taken now, if the mapping fits: {}.", words, link))
        chosen = f"?receipt={asked.receipt.pk}" if asked.receipt is not None else ""
        return HttpResponseRedirect(f"{request.path}{chosen}")

    def _test(self, request: HttpRequest, inbound: InboundWebhook, asked: Asked) -> Tested | None:
        """Through the webhook's own pipeline, by the mapping that is stored."""
        sample = _sample(request, asked)
        if sample.document is None:
            messages.error(request, f"No test was sent: {sample.fault or 'there is no sample.'}")
            return None
        uid = uuid.uuid4().hex
        headers = {"content-type": "application/json", "webhook-test": "true"}
        sender = Sender(f"Send Test by {request.user}", replace(scope_of(request), account_id=inbound.account_id))
        try:
            code, answer = 200, process.receive(inbound, sender, uid, headers, sample.body)
        except Problem as problem:
            code = problem.status_code
            answer = {
                "code": problem.code,
                "message": problem.message,
                "errors": [{"path": one.field, "rule": one.rule, "message": one.message} for one in problem.faults],
            }
        self.log_change(request, inbound, "Sent a test.")
        link = _receipt_address(uid) if request.user.has_perm("webhooks.view_receipt") else ""
        return Tested(code, pretty(json.dumps(answer)), link)


# --- the form --------------------------------------------------------------------------------------------------------


def _stored(request: HttpRequest, inbound: InboundWebhook) -> Asked:
    """As the page begins: the mapping that is stored, and the newest receipt."""
    try:
        drafts = drafts_of(inbound.rows)
    except ValueError as error:
        drafts = []
        messages.error(request, f"The mapping that is stored cannot be read: {error}. Saving puts yours in its place.")
    receipt = _receipt(inbound, request.GET.get("receipt", "")) or Receipt.objects.filter(inbound=inbound).first()
    return Asked(drafts, receipt, was=_digest(inbound.mapping))


def _asked(request: HttpRequest, inbound: InboundWebhook) -> Asked:
    data = request.POST
    return Asked(
        typed(data),
        _receipt(inbound, data.get("receipt", "")),
        data.get("sample", ""),
        PRESETS.get(data.get("preset", "")),
        "takes_only" in data,
        "sets_match" in data,
        data.get("was", "")[:64],
    )


def _changed(request: HttpRequest, inbound: InboundWebhook, asked: Asked) -> Asked:
    """What the button that was pressed makes of the form."""
    data, drafts = request.POST, list(asked.drafts)
    if "_paste" in data:
        return replace(asked, receipt=None)
    if "_preset" in data:
        preset = PRESETS.get(data.get("choose_preset", ""))
        if preset is None:
            return asked
        text = json.dumps(preset.sample, indent=2, ensure_ascii=False)
        return Asked(
            drafts_of(preset.rows), None, text, preset, bool(preset.only_path), _may_match(inbound, preset), asked.was
        )
    if "_remove" in data:
        return replace(asked, drafts=[draft for draft in drafts if draft.number != data["_remove"]])
    if found := _STEP_OF_ROW.fullmatch(data.get("_remove_step", "")):
        number, place = found[1], int(found[2])
        drafts = [
            replace(draft, steps=(*draft.steps[:place], *draft.steps[place + 1 :])) if draft.number == number else draft
            for draft in drafts
        ]
        return replace(asked, drafts=drafts)
    picked = data.get("_use") or data.get("_pick")
    if picked or "_use_all" in data:
        suggested = _outcome(request, inbound, asked, _sample(request, asked)).suggestions
        wanted = [one.row for one in suggested if (one.row.path == picked if picked else not one.wary)]
        added = drafts_of(wanted) or ([Draft(value=picked)] if picked and "_pick" in data else [])
        return replace(asked, drafts=[*drafts, *added])
    return asked


def _as_asked(inbound: InboundWebhook, asked: Asked) -> InboundWebhook:
    """As it would be stored, but for its mapping."""
    trial = copy.copy(inbound)
    if asked.preset is not None and asked.takes_only:
        trial.only_path, trial.only_values = asked.preset.only_path, list(asked.preset.only_values)
    if asked.preset is not None and asked.sets_match and _may_match(inbound, asked.preset):
        trial.match = asked.preset.match
    return trial


def _outcome(request: HttpRequest, inbound: InboundWebhook, asked: Asked, sample: Sample) -> Outcome:
    records = asked.preset.records if asked.preset is not None else ()
    trial = _as_asked(inbound, asked)
    return outcome(request, trial, asked.drafts, sample.document, sample.tree, shows=sample.shows, records=records)


def _digest(stored: Any) -> str:
    return hashlib.sha256(json.dumps(stored, sort_keys=True).encode()).hexdigest()


# --- the sample ------------------------------------------------------------------------------------------------------


def _sample(request: HttpRequest, asked: Asked) -> Sample:
    shows = True
    if asked.receipt is not None:
        body = asked.receipt.read
        shows = request.user.has_perms(("webhooks.view_receipt", "webhooks.view_body"))
    elif asked.text.strip():
        body = asked.text.strip().encode(errors="backslashreplace")
    else:
        return Sample()
    if len(body) > LARGEST_SAMPLE:
        return Sample(fault="A sample has at most 256 KiB.")
    try:
        document = translate.document_of(body)
    except Problem as problem:
        return Sample(body, fault=problem.message.replace("The body", "The sample"), shows=shows)
    return Sample(body, document, tree_of(document, named=shows), shows=shows)


def _note(request: HttpRequest, asked: Asked, sample: Sample) -> None:
    if sample.tree is not None and sample.shows and asked.receipt is not None:
        looks.note(request.user, asked.receipt)


def _receipts(inbound: InboundWebhook) -> Any:
    newest = Receipt.objects.filter(inbound=inbound).order_by("-received_at", "-pk")
    return newest.only("received_at", "status")[:MOST_RECEIPTS]


def _receipt(inbound: InboundWebhook, asked: str) -> Receipt | None:
    return Receipt.objects.filter(inbound=inbound, pk=asked).first() if is_key(asked) else None


def _receipt_words(receipt: Receipt) -> str:
    return f"{absolute(receipt.received_at)} · {ReceiptStatus(receipt.status).label}"


def _receipt_address(uid: str) -> str:
    receipt = Receipt.objects.filter(uid=uid).only("pk").first()
    return reverse("admin:webhooks_receipt_change", args=[receipt.pk]) if receipt is not None else ""


# --- presets ---------------------------------------------------------------------------------------------------------


def _hints(inbound: InboundWebhook, preset: Preset | None) -> list[str]:
    """Where the webhook itself is not as the preset needs it."""
    if preset is None:
        return []
    hints = [preset.note] if preset.note else []
    if preset.verification != inbound.verification:
        wanted, now = Verification(preset.verification).label, Verification(inbound.verification).label
        where = f" in the header {preset.signature_header}" if preset.signature_header else ""
        hints.append(f"It proves itself by {wanted}{where}; this webhook asks for {now}.")
    elif preset.signature_header and preset.signature_header.lower() != inbound.signature_header.lower():
        hints.append(f"Its signature is in the header {preset.signature_header}, not in {inbound.signature_header}.")
    return hints


def _match(inbound: InboundWebhook, preset: Preset | None) -> str:
    """The label of the field by which the preset's leads are known; "" where the webhook knows them by it already."""
    if preset is None or not _may_match(inbound, preset):
        return ""
    return rules.label_of(preset.match, setups.of(inbound.account_id))


def _may_match(inbound: InboundWebhook, preset: Preset) -> bool:
    return preset.match != inbound.match and preset.match in intake.matchable(setups.of(inbound.account_id))
