"""What every admin screen of ours has in common: one unit of work per writing POST, and the office scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import quote
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from leads.admin.deletion import Deletion
from leads.admin.paging import QuietChangeList
from leads.changes import unit
from leads.scope import Scope
from leads.sentences import sentences


def scope_of(request: HttpRequest) -> Scope:
    """The signed-in user's scope, read once per request."""
    scope: Scope | None = getattr(request, "_scope", None)
    if scope is None:
        scope = request._scope = Scope.of(request.user)  # type: ignore[attr-defined]
    return scope


def is_key(text: str) -> bool:
    """Whether this can be a row's key: more digits than the database has room for are an error there."""
    return text.isascii() and text.isdigit() and len(text) < 19


def go_to(request: HttpRequest, url: str) -> HttpResponse:
    """The answer to a dialog: htmx goes there, and so does a browser without scripts."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def back_from(request: HttpRequest, otherwise: str = "admin:index", *args: Any) -> HttpResponseRedirect:
    """To the page of ours that the button stands on, wherever that is."""
    page = request.headers.get("Referer", "")
    near = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(page if near else reverse(otherwise, args=args))


class Admin(ModelAdmin):
    """A screen whose rows are limited to the user's scope, and whose POSTs are one unit of work each."""

    list_filter_submit = True
    list_fullwidth = True
    warn_unsaved_form = True
    compressed_fields = False
    show_full_result_count = False
    change_form_show_cancel_button = True
    # Of an empty list: see templates/unfold/helpers/empty_results.html.
    empty_title = ""
    empty_text = ""
    # Whether rows that were selected may be deleted together.
    bulk_delete = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return QuietChangeList

    def scoped(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that the user may see. Each screen says how."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return self.scoped(request, super().get_queryset(request))

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        # The autocomplete view hands on anything; PostgreSQL refuses NUL.
        return super().get_search_results(request, queryset, search_term.replace("\x00", ""))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._as_unit(request, super().changeform_view, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method == "POST":
            self._check_action(request)
        context = {"title": capfirst(self.opts.verbose_name_plural), **(extra_context or {})}
        return self._as_unit(request, super().changelist_view, context)

    def views(self, request: HttpRequest, views: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
        """The list's context of tabs: {title: the filters that it asks}. The one that is asked now is active."""
        names = {name for query in views.values() for name in query}
        asked = {name: value for name, value in request.GET.items() if name in names and value}
        items = [
            {
                "title": title,
                "link": f"{self.url('changelist')}?{urlencode(query)}" if query else self.url("changelist"),
                "active": asked == query,
                "has_permission": True,
            }
            for title, query in views.items()
        ]
        return {"tab_list": [{"models": [str(self.opts)], "items": items}]}

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what a filter of the list asks. Any column else would answer an address typed by hand, secrets too."""
        if "\0" in value:
            return False
        filters = [one[0] if isinstance(one, tuple | list) else one for one in self.get_list_filter(request)]
        names = [getattr(one, "parameter_name", one) for one in filters]
        # All that filters ask with: what else stands behind two underscores is a column of another table.
        ways = ("", "__exact", "__in", "__id__exact", "__isnull", "_from", "_to")
        return lookup in {f"{name}{way}" for name in names for way in ways}

    def _check_action(self, request: HttpRequest) -> None:
        """Refuse aloud what Django would drop in silence, or stumble over."""
        if not set(filter(None, request.POST.getlist("action"))) <= set(self.get_actions(request)):
            raise PermissionDenied
        if not all(is_key(pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest("A selected row is no number.")

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._as_unit(request, super().delete_view, *args, **kwargs)

    def _as_unit(self, request: HttpRequest, view: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """A change of many parts is one set of facts. What breaks a rule at its end undoes all of it and is told."""
        if request.method != "POST":
            return view(request, *args, **kwargs)
        try:
            with unit():
                response = view(request, *args, **kwargs)
        except ValidationError as error:
            for message in sentences(error):
                messages.error(request, message)
            return HttpResponseRedirect(request.get_full_path())
        for message in getattr(request, "_tell", ()):
            messages.success(request, message())
        return response

    def tell(self, request: HttpRequest, message: Callable[[], str | SafeString]) -> None:
        """Tell the user after COMMIT: only then is it true, and what follows from it stored."""
        request.__dict__.setdefault("_tell", []).append(message)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> NoReturn:
        # Also for what is there but out of scope: the two must not be told apart.
        raise Http404

    # Before deleting: a page that says what goes, or why it cannot.

    def deletion(self, request: HttpRequest, obj: Any) -> Deletion | None:
        """None leaves it to Django's own list of related objects."""
        return None

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        plans = [self.deletion(request, obj) for obj in objs]
        if None in plans:
            return super().get_deleted_objects(objs, request)
        names = [str(obj) for obj in objs]
        denied = set() if self.has_delete_permission(request) else {self.opts.verbose_name}
        refused = [plan.title for plan in plans if plan is not None and not plan.possible]
        return names, {self.opts.verbose_name_plural: len(names)}, denied, refused

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        obj = context["object"]
        context |= {"deletion": self.deletion(request, obj), "back": self.url("change", obj), "original": obj}
        return super().render_delete_form(request, context)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        if IS_POPUP_VAR in request.POST:
            return super().response_delete(request, obj_display, obj_id)
        self.tell(request, lambda: f"{capfirst(self.opts.verbose_name)} {obj_display} deleted.")
        return HttpResponseRedirect(self.url("changelist"))

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        if not self.bulk_delete:
            actions.pop("delete_selected", None)
        return actions

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        return super().render_change_form(request, {"show_save_and_add_another": False, **context}, *args, **kwargs)

    # After saving: one sentence of ours, then where the button said.

    def saved_message(self, request: HttpRequest, obj: Any, added: bool) -> str | SafeString:
        name = capfirst(self.opts.verbose_name)
        if not self.has_view_or_change_permission(request, obj):
            return f"{name} {obj} saved."
        return format_html('{} <a href="{}">{}</a> saved.', name, self.url("change", obj), obj)

    def response_add(self, request: HttpRequest, obj: Model, post_url_continue: str | None = None) -> HttpResponse:
        if IS_POPUP_VAR in request.POST:
            return super().response_add(request, obj, post_url_continue)
        return self._after_save(request, obj, added=True, stay=post_url_continue)

    def response_change(self, request: HttpRequest, obj: Model) -> HttpResponse:
        if IS_POPUP_VAR in request.POST:
            return super().response_change(request, obj)
        return self._after_save(request, obj, added=False)

    def _after_save(
        self, request: HttpRequest, obj: Model, *, added: bool, stay: str | None = None
    ) -> HttpResponseRedirect:
        self.tell(request, lambda: self.saved_message(request, obj, added))
        if "_addanother" in request.POST:
            return HttpResponseRedirect(self.url("add"))
        if "_continue" in request.POST or stay:
            return HttpResponseRedirect(stay or self.url("change", obj))
        return self.response_post_save_add(request, obj) if added else self.response_post_save_change(request, obj)

    def url(self, view: str, obj: Model | None = None) -> str:
        """Of a view of this screen: changelist, add, change, delete, ..."""
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{view}"
        return reverse(name, args=[quote(obj.pk)] if obj is not None else [])
