"""Products: what opportunities are about."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RadioFilter
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from leads.admin.deletion import Deletion
from leads.admin.display import ago, amount, badge, clip, plural
from leads.admin.exporting import Exporting
from leads.admin.owned import ACCOUNT, OwnedAdmin, OwnedForm, long_text
from leads.models import Product


class ProductForm(OwnedForm):
    class Meta:
        model = Product
        fields = ["account", "name", "code", "category", "price", "is_active", "description"]
        widgets = ACCOUNT | {
            "name": UnfoldAdminTextInputWidget,
            "code": UnfoldAdminTextInputWidget,
            "category": UnfoldAdminTextInputWidget,
            "price": UnfoldAdminDecimalFieldWidget,
            "is_active": UnfoldBooleanSwitchWidget,
        }
        error_messages = {"price": {"invalid": "Price must be a number.", "min_value": "Price must be 0 or more."}}
        help_texts = {"is_active": "Others are not offered for new opportunities."}

    def prepare(self) -> None:
        self.fields["description"] = long_text(Product._meta.get_field("description"))


class ActiveFilter(RadioFilter):
    title = "state"
    parameter_name = "active"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("yes", "Active"), ("no", "Inactive")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(is_active=self.value() == "yes") if self.value() in ("yes", "no") else queryset


@admin.register(Product)
class ProductAdmin(Exporting, OwnedAdmin):
    form = ProductForm
    fields_of_form = ("name", ("code", "category"), ("price", "is_active"), "description")
    columns = ("name", "code_shown", "category_shown", "price_shown", "state", "modified")
    list_filter = (ActiveFilter,)
    search_fields = ("name", "code", "category")
    search_help_text = "Name, code or category"
    ordering = ("name", "id")
    sortable_by = ("name", "price_shown", "modified")
    show_facets = admin.ShowFacets.NEVER
    empty_title = "No products yet"
    empty_text = "A product is what an opportunity is about: a service, a contract, a house."

    @display(description="Code")
    def code_shown(self, product: Product) -> SafeString:
        return clip(product.code or "")

    @display(description="Category")
    def category_shown(self, product: Product) -> SafeString:
        return clip(product.category or "")

    @display(description="Price", ordering="price")
    def price_shown(self, product: Product) -> str:
        return amount(product.price)

    @display(description="State")
    def state(self, product: Product) -> SafeString:
        return badge("enabled", "Active") if product.is_active else badge("disabled", "Inactive")

    @display(description="Modified", ordering="modified_at")
    def modified(self, product: Product) -> SafeString:
        return ago(product.modified_at)

    def deletion(self, request: HttpRequest, product: Product) -> Deletion:
        count = product.opportunities.count()
        staying = f"{plural(count, 'opportunity', 'opportunities')} about it {_stay(count)}, without a product. "
        told = "Webhooks that listen to product.deleted are told."
        return Deletion(f"Delete {product}?", f"{staying if count else 'No opportunity is about it. '}{told}")


def _stay(count: int) -> str:
    return "stays" if count == 1 else "stay"
