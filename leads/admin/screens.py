"""The CRM's screens. Importing them registers them, in place of the stock ones of the apps below."""

from django.contrib import admin

from leads.admin import (
    account,
    activity,
    apikey,
    company,
    company_activity,
    custom_field,
    form,
    kind,
    label,
    lead,
    lead_import,
    leave,
    message,
    office,
    opportunity,
    people,
    pipeline,
    product,
    role,
    task,
)

__all__ = [
    "account",
    "activity",
    "apikey",
    "company",
    "company_activity",
    "custom_field",
    "form",
    "kind",
    "label",
    "lead",
    "lead_import",
    "leave",
    "message",
    "office",
    "opportunity",
    "people",
    "pipeline",
    "product",
    "role",
    "task",
]

# The queue's own tables: rows that only its worker understands, and may be run from. Webhook History is their screen.
for model in list(admin.site._registry):
    if model._meta.app_label == "django_q":
        admin.site.unregister(model)
