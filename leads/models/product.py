"""Products: what opportunities are about."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models

from leads.models.entity import Entity
from leads.models.once import Once


class Product(Entity):
    record_name = "product"
    noun = "product"
    told = {
        "id": "id",
        "name": "name",
        "code": "code",
        "category": "category",
        "description": "description",
        "price": "price",
        "is_active": "is_active",
        "account_id": "account_id",
        "account_name": "account_name",
        "created_at": "created_at",
        "modified_at": "modified_at",
    }

    name = models.CharField(max_length=200)
    code = models.CharField(max_length=50, null=True, blank=True)
    category = models.CharField(max_length=100, null=True, blank=True)
    description = models.TextField(max_length=2000, null=True, blank=True)
    price = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    is_active = models.BooleanField("active", default=True)

    class Meta(Entity.Meta):
        ordering = ["name", "id"]
        constraints = [
            Once(
                fields=["account", "name"],
                name="product_name_once_per_account",
                violation_error_message="This account has a product of that name.",
            )
        ]

    def __str__(self) -> str:
        return self.name
