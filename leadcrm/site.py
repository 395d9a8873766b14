"""The admin site, and what stands around every page of it: names, label, files."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import path
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite

from leadcrm import palette
from leads.admin import availability
from leads.models import Membership


class Site(UnfoldAdminSite):
    index_title = "Home"

    def extra_urls(self) -> list[Any]:
        return [path("availability/", self.admin_view(availability.set_own), name="availability")]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Made where it is shown: every page is given it, and the sidebar is ours."""
        return cast("list[Any]", SimpleLazyObject(lambda: super(Site, self).get_app_list(request, app_label)))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "availabilities": availability.choices(request)}

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().password_change(request, {"title": "Change password"} | (extra_context or {}))

    def password_change_done(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().password_change_done(request, {"title": "Change password"} | (extra_context or {}))

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The palette. Unfold's own keeps what it found for five minutes: a deleted lead could still be found."""
        words = request.GET.get("s", "").strip()
        if not words:
            return HttpResponse()
        results = palette.search(request, words)
        return TemplateResponse(
            request,
            "unfold/helpers/command_results.html",
            {"results": results, "words": words},
            headers={"HX-Trigger": "search"},
        )


def account_name(request: HttpRequest) -> str:
    if not request.user.is_authenticated:
        return ""
    name = Membership.objects.filter(user=request.user.pk).values_list("account__name", flat=True).first()
    return name or ("All accounts" if request.user.is_superuser else "")


def environment(request: HttpRequest) -> list[str] | None:
    """The label that tells an installation from production; production sets no ENVIRONMENT."""
    return [settings.ENVIRONMENT, "warning"] if settings.ENVIRONMENT else None


def styles(request: HttpRequest) -> str:
    return static("leadcrm/leadcrm.css")


def scripts(request: HttpRequest) -> str:
    return static("leadcrm/leadcrm.js")
