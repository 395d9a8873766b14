"""Likely duplicates: what the lead's page says of them, the page that goes through all of them, and "Not the same"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from leads import duplicates
from leads.admin import slots
from leads.admin.base import is_key, scope_of
from leads.admin.lead_merge import LeadMerge, address
from leads.admin.slots import Panel
from leads.duplicates import MOST_OF_GROUP, REASONS, Group
from leads.models import Lead

TITLE = "Likely duplicates"
# In words, as they stand behind "Same".
_WORDS = {
    "phone": "phone",
    "email": "e-mail",
    "business_email": "business e-mail",
    "name_and_postcode": "name and postcode",
}
_SALT = "leads.admin.lead_duplicates"


@dataclass(frozen=True, slots=True)
class Shown:
    """A group as the page shows it."""

    group: Group
    same: str
    merge: str

    @property
    def further(self) -> int:
        return self.group.count - len(self.group.leads)


class LeadDuplicates(LeadMerge):
    def get_custom_urls(self) -> Any:
        return (
            *super().get_custom_urls(),
            ("duplicates/", "leads_lead_duplicates", self.duplicates_view),
            ("not-the-same/", "leads_lead_not_the_same", self.not_the_same_view),
        )

    def duplicates_view(self, request: HttpRequest, model_admin: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = request.GET.get("same", "")
        reason = asked if asked in REASONS else next(iter(REASONS))
        found, after = duplicates.groups(scope_of(request), reason, _read(request.GET.get("after", "")))
        context = {
            **self.admin_site.each_context(request),
            "title": TITLE,
            "opts": self.opts,
            "crumbs": [{}, {"title": "leads", "link": self.url("changelist")}, {"title": TITLE}],
            "reasons": [(key, capfirst(words), key == reason) for key, words in _WORDS.items()],
            "groups": [_shown(group, reason) for group in found],
            "most": MOST_OF_GROUP,
            "may": self.has_merge_permission(request),
            "first": f"?{urlencode({'same': reason})}" if "after" in request.GET else "",
            "next": f"?{urlencode({'same': reason, 'after': signing.dumps(after, salt=_SALT)})}" if after else "",
            "here": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/leads/lead/duplicates.html", context)

    def not_the_same_view(self, request: HttpRequest, model_admin: Any = None) -> HttpResponse:
        if not self.has_merge_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        asked = [int(key) for key in request.POST.getlist("lead")[:MOST_OF_GROUP] if is_key(key)]
        leads = list(scope_of(request).leads().filter(pk__in=asked).order_by("pk"))
        if len({lead.account_id for lead in leads}) == 1 and len(leads) > 1:
            duplicates.dismiss(leads)
            messages.success(request, f"Not the same: {', '.join(map(str, leads))}. Nobody is asked about them again.")
        else:
            messages.error(request, "These leads are not there any more.")
        back = request.POST.get("back", "")
        if not url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
            back = reverse("admin:leads_lead_duplicates")
        return HttpResponseRedirect(back)


def _shown(group: Group, reason: str) -> Shown:
    lead = group.leads[0]
    values = {"phone": lead.phone_e164, "name_and_postcode": f"{lead.full_name}, {lead.postcode}"}
    return Shown(group, values.get(reason) or group.value, address([one.pk for one in group.leads]))


def _read(text: str) -> tuple[int, str] | None:
    """Where a page begins, as the one before has named it: a value of a lead stands in no address as it is."""
    try:
        account_id, value = signing.loads(text, salt=_SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return account_id, value


def likely_duplicates(request: HttpRequest, lead: Lead) -> Panel | None:
    found = duplicates.of(lead, scope_of(request)) if lead.merged_into_id is None else []
    if not found:
        return None
    rows = [(one.lead, _reasons(one.reasons), address([lead.pk, one.lead.pk])) for one in found]
    may = request.user.has_perm("leads.merge_lead") and request.user.has_perm("leads.change_lead")
    context = {"lead": lead, "rows": rows, "may": may}
    body = render_to_string("admin/leads/lead/duplicates_card.html", context, request)
    return Panel(TITLE, SafeString(body), more=("All", reverse("admin:leads_lead_duplicates")))


def _reasons(keys: Sequence[str]) -> str:
    # One address is often both.
    words = [_WORDS[key] for key in keys if not (key == "business_email" and "email" in keys)]
    return f"Same {', '.join(words)}"


slots.register_panel(likely_duplicates)
