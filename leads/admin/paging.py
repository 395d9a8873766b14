"""Pages of a list without counting all of it, and what the list says of its count."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList

from leads.admin.display import capped

# Who pages further than this wants a filter.
CAP = 10_000


class CappedPaginator(Paginator):
    """Counts up to CAP rows and shows no pages beyond; the count then reads "10,000+"."""

    template_name = "admin/leads/capped_pages.html"

    @cached_property
    def found(self) -> int:
        """The rows counted: CAP + 1 stands for any more."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[: CAP + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self.found, CAP)

    @property
    def words(self) -> str:
        return capped(self.found, CAP)


class QuietChangeList(ChangeList):
    """The head says how many were found only where something was searched for, and the number is exact."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        exact = getattr(self.paginator, "found", self.result_count) == self.result_count
        if not (exact and (self.query or self.has_active_filters)):
            self.full_result_count = self.result_count
