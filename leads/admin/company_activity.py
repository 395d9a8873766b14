"""Activities of companies: the tab on the company's page, and a page to add or mend one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from leads.admin.activity import SHOWN, AnyActivityForm, told_further
from leads.admin.base import Admin, is_key, scope_of
from leads.admin.deletion import Deletion
from leads.admin.slots import Panel
from leads.models import ActivityType, Company, CompanyActivity, User
from leads.models.kind import ActivityKind
from leads.scope import Scope

TAB = "activities"


def panel(request: HttpRequest, company: Company) -> Panel | None:
    if not request.user.has_perm("leads.view_companyactivity"):
        return None
    rows = company.activities.select_related("type", "owner")
    count = rows.count()
    shown = list(rows if request.GET.get(TAB) == "all" else rows[:SHOWN])
    may_add = request.user.has_perm("leads.add_companyactivity")
    body = render_to_string(
        "admin/leads/activity/tab.html",
        {
            "activities": [
                (one, reverse("admin:leads_companyactivity_change", args=[one.pk]), told_further(one), "")
                for one in shown
            ],
            "earlier": count - len(shown),
            "all": f"?{TAB}=all#{TAB}",
            "may_change": request.user.has_perm("leads.change_companyactivity"),
            "add": f"{reverse('admin:leads_companyactivity_add')}?company={company.pk}" if may_add else "",
            "empty": "Reviews, meetings and contracts stand here, the newest first.",
        },
        request,
    )
    return Panel(f"Activities {count:,}", SafeString(body), place="tab", slug=TAB)


def page_of(company: Company) -> str:
    """The company's page with its activities open."""
    return f"{reverse('admin:leads_company_change', args=[company.pk])}#{TAB}"


class CompanyActivityForm(AnyActivityForm):
    company: Company

    class Meta(AnyActivityForm.Meta):
        model = CompanyActivity

    @classmethod
    def for_company(cls, company: Company, scope: Scope, **options: Any) -> type[CompanyActivityForm]:
        known = {"company": company, "account_id": company.account_id, "scope": scope}
        return type(cls.__name__, (cls,), {**known, **options})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.company = self.company

    def kinds(self) -> QuerySet[ActivityType]:
        return ActivityType.objects.filter(account_id=self.account_id, kind=ActivityKind.COMPANY)


@admin.register(CompanyActivity)
class CompanyActivityAdmin(Admin):
    form = CompanyActivityForm
    fields = (("type", "happened_at"), "fields", ("status", "score"), "owner", "note")

    def scoped(self, request: HttpRequest, queryset: QuerySet[CompanyActivity]) -> QuerySet[CompanyActivity]:
        return queryset.filter(scope_of(request).in_account()).select_related("company", "type", "owner")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and scope_of(request).account_id != 0

    def has_module_permission(self, request: HttpRequest) -> bool:
        # They are found on the page of their company.
        return False

    def _company(self, request: HttpRequest, obj: CompanyActivity | None) -> Company:
        """The activity's company; of a new one the company in the address, which the user has to see."""
        if obj is not None:
            return obj.company
        key = request.GET.get("company", "")
        seen = Company.objects.filter(scope_of(request).in_account())
        company = seen.filter(pk=int(key)).first() if is_key(key) else None
        if company is None:
            raise Http404
        return company

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[CompanyActivityForm]:
        company = self._company(request, obj)
        return CompanyActivityForm.for_company(
            company,
            scope_of(request),
            readonly=obj is not None and not self.has_change_permission(request, obj),
            asked=request.GET.get("type", ""),
            address=f"{request.path}?{urlencode({'company': company.pk})}",
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """It is the user's own unless they say otherwise."""
        user = request.user
        assert isinstance(user, User)
        people = scope_of(request).choosable_owners(self._company(request, None).account_id)
        return {"owner": user.pk} if people.filter(pk=user.pk).exists() else {}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is no list of all: ways back to it lead to the company."""
        if request.method != "GET" or not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(page_of(self._company(request, None)))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # Disabled fields show more than Unfold's read-only ones, which know columns only.
        context["adminform"].readonly_fields = ()
        company, activity = context["adminform"].form.company, kwargs.get("obj")
        companies = {"title": "companies", "link": reverse("admin:leads_company_changelist")}
        crumbs = [{}, companies, {"title": company, "link": page_of(company)}]
        context |= {
            "crumbs": crumbs if activity is None else [*crumbs, {"title": activity}],
            # Of the ways back to the list.
            "preserved_filters": urlencode({"_changelist_filters": urlencode({"company": company.pk})}),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def saved_message(self, request: HttpRequest, obj: CompanyActivity, added: bool) -> str:
        return f"Activity {'added' if added else 'saved'}."

    def response_post_save_add(self, request: HttpRequest, obj: CompanyActivity) -> HttpResponseRedirect:
        return HttpResponseRedirect(page_of(obj.company))

    def response_post_save_change(self, request: HttpRequest, obj: CompanyActivity) -> HttpResponseRedirect:
        return HttpResponseRedirect(page_of(obj.company))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        self.tell(request, lambda: "Activity deleted.")
        return HttpResponseRedirect(request._company)  # type: ignore[attr-defined]

    def delete_model(self, request: HttpRequest, obj: CompanyActivity) -> None:
        request._company = page_of(obj.company)  # type: ignore[attr-defined]
        super().delete_model(request, obj)

    def deletion(self, request: HttpRequest, activity: CompanyActivity) -> Deletion:
        return Deletion(
            "Delete this activity?",
            f"It is removed from the page of {activity.company}. No webhook is told: what was sent of it stays sent.",
        )
