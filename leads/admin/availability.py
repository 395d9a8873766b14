"""Whether somebody is available: set by themself in the account menu of every page."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from leads.admin.base import back_from
from leads.models import User
from leads.models.user import Availability


def choices(request: HttpRequest) -> list[tuple[str, str, bool]]:
    """(code, label, whether it is theirs)"""
    own = getattr(request.user, "availability", None)
    return [(code, label, code == own) for code, label in Availability.choices]


def set_own(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    code = request.POST.get("availability")
    if code not in Availability.values:
        raise BadRequest("There is no such availability.")
    user = User.objects.get(pk=request.user.pk)
    user.availability = code
    user.save(update_fields=["availability"])
    messages.success(request, f"You are shown as {user.get_availability_display().lower()}.")
    return back_from(request)
