"""Products: /api/v1/products and .../{id}."""

from __future__ import annotations

from typing import ClassVar

from django.db.models import Q

from leads.api.entities import EntityResource
from leads.api.filters import Filters, truth
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One
from leads.api.shape import key_of
from leads.models import Product
from leads.models.apikey import Scope as KeyScope

_SCOPES = (KeyScope.CRM_READ, KeyScope.CRM_WRITE)


class ProductResource(EntityResource):
    """To delete one leaves the opportunities about it without a product."""

    model = Product
    keys = tuple(key_of(Product, name) for name in ("name", "code", "category", "description", "price", "is_active"))
    unique = "name"


class Products(ProductResource, Many):
    filters: ClassVar[Filters] = {
        "name": lambda value: Q(name=value),
        "code": lambda value: Q(code=value),
        "category": lambda value: Q(category=value),
        "is_active": truth("is_active"),
    }
    needs = needs("product", *_SCOPES, MANY)


class OneProduct(ProductResource, One):
    needs = needs("product", *_SCOPES, ONE)
