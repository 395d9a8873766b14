"""What the demo's people have written down beside its leads: companies, activities, opportunities, tasks, a leave."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from leads.changes import unit
from leads.models import (
    Account,
    Activity,
    ActivityType,
    Company,
    CompanyActivity,
    Lead,
    Leave,
    Opportunity,
    OpportunityType,
    Product,
    Task,
    User,
)

PRODUCTS = (("Full management", "LET-1", Decimal(120)), ("Sale with photographs", "SALE-1", Decimal("1850.50")))
# Name, type, industry, city.
COMPANIES = (
    ("Ridings Developments", "Developer", "Construction", "Leeds"),
    ("Minster Relocations", "Agent", "Relocation", "York"),
)
# Type's code, status, note, days ago.
CALLS = (
    (22, "Answered", "Would like a valuation before the holidays.", 3),
    (21, "Left a message", "Asked when the photographs are taken.", 1),
    (201, "Held", "Looked at the garden; wants a second opinion about the roof.", 0),
)
# Name, stage, value.
DEALS = (("Sale of the house", "Proposal", Decimal(6200)), ("Management of the flat", "Qualified", Decimal(1440)))
# Name, category, days until it is due.
TASKS = (("Call about the valuation", "Phone", -1), ("Send the brochure", "E-mail", 0), ("Order the sign", None, 4))


def write_down(account: Account, owner: User) -> None:
    """Told like anything that people do; the leads are the account's newest. Raises ValidationError."""
    now = timezone.now().replace(microsecond=0)
    calls = {kind.code: kind for kind in ActivityType.objects.filter(account=account)}
    deals = OpportunityType.objects.filter(account=account)[0]
    leads = list(Lead.objects.filter(account=account).order_by("-created_at", "-id")[:4])
    with unit():
        products = [
            Product.objects.create(account=account, name=name, code=code, price=price) for name, code, price in PRODUCTS
        ]
        for (name, kind, industry, city), lead in zip(COMPANIES, leads, strict=False):
            about = {"type": kind, "industry": industry, "city": city}
            company = Company.objects.create(account=account, name=name, owner=owner, **about)
            CompanyActivity.objects.create(company=company, type=calls[202], status="Done", owner=owner)
            lead.company = company
            lead.save()
        for code, status, note, days in CALLS:
            when = now - timedelta(days=days)
            given = {"status": status, "note": note, "owner": owner, "happened_at": when}
            Activity.objects.create(lead=leads[0], type=calls[code], **given)
        for (name, stage, value), lead, product in zip(DEALS, leads, products, strict=False):
            given = {"stage": stage, "value": value, "product": product, "owner": owner}
            Opportunity.objects.create(lead=lead, type=deals, name=name, **given)
        for (name, category, days), lead in zip(TASKS, leads, strict=False):
            due = now + timedelta(days=days, hours=2)
            Task.objects.create(lead=lead, name=name, category=category, due_at=due, owner=owner)
        away = now.date() + timedelta(days=21)
        Leave.objects.create(
            account=account, user=owner, starts_on=away, ends_on=away + timedelta(days=6), reason="Holiday"
        )
