"""Refer a lead to another office of its account: the one write that reaches beyond the writer's offices."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import connections, router
from django.db.models import QuerySet

from leads.changes import unit
from leads.models import Lead, Office


def offices_for(lead: Lead) -> QuerySet[Office]:
    """Where the lead may go: every office of its account but its own, whoever asks."""
    offices = Office.objects.filter(account_id=lead.account_id)
    return offices if lead.office_id is None else offices.exclude(pk=lead.office_id)


def refer(lead: Lead, office_id: object) -> Lead:
    """Move the lead, and note the office and account that it left; gives the lead as it now is.

    The caller has made sure that its user may change this lead. Raises ValidationError for office_id (codes: reference,
    same_office), Lead.DoesNotExist when the lead has gone meanwhile.
    """
    using = router.db_for_write(Lead)
    with unit(using):
        # Read again and locked: what the caller holds may be old, and "the office it left" is told to others.
        leads = Lead.objects.using(using).select_related("office", "account")
        if connections[using].features.has_select_for_update:
            leads = leads.select_for_update(of=("self",), no_key=True)
        lead = leads.get(pk=lead.pk)
        office = _office(lead, office_id)
        left = lead.office
        lead.office = office
        lead.referred_by_office_id = left.pk if left else None
        lead.referred_by_office_name = left.name if left else None
        lead.referred_by_account_id = lead.account_id
        lead.referred_by_account_name = lead.account.name
        lead.save()
    return lead


def _office(lead: Lead, office_id: object) -> Office:
    office = None
    if isinstance(office_id, int) and not isinstance(office_id, bool):
        office = Office.objects.filter(account_id=lead.account_id, pk=office_id).first()
    if office is None:
        raise _refusal("must be the id of an office of the lead's account", "reference")
    if office.pk == lead.office_id:
        raise _refusal("must be another office than the one the lead is in", "same_office")
    return office


def _refusal(message: str, code: str) -> ValidationError:
    return ValidationError({"office_id": [ValidationError(message, code=code)]})
