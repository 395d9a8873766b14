"""`manage.py demo`: something to look at. The second run finds it done and changes nothing."""

from __future__ import annotations

import json
import uuid
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from leads.api.errors import Problem
from leads.changes import acting, unit
from leads.demo import write_down
from leads.models import Account, Form, Lead, Message, User
from leads.models.kind import make_kinds
from leads.scope import Scope
from leads.signals import Actor
from webhooks.dialects import DIALECTS
from webhooks.inbound import process
from webhooks.inbound.parcel import Sender
from webhooks.inbox.address import address
from webhooks.models import Automation, InboundWebhook, Webhook

PRACTICE = "LeadPro practice"

# Of the form: key, label, required.
VALUATION_FIELDS = (
    ("full_name", "Your name", True),
    ("email", "E-mail", True),
    ("phone", "Phone", True),
    ("type", "Kind of enquiry", True),
    ("address", "Address of the property", True),
    ("postcode", "Postcode", True),
    ("property_type", "What kind of home is it?", False),
    ("property_bedrooms", "Bedrooms", False),
    ("message", "Anything we ought to know?", False),
    ("gdpr_checkbox", "You may send me news about the market", False),
)


# Of the website: what it calls our fields, and what it has sent. The last one is refused.
WEBSITE_MAPPING = [
    {"field": "first_name", "path": "contact/name/first"},
    {"field": "last_name", "path": "contact/name/last"},
    {"field": "business_email", "path": "contact/work/email"},
    {"field": "phone", "path": "contact/phone"},
    {"field": "message", "path": "text"},
    {"field": "tags", "path": "interests"},
]
WEBSITE_POSTS = (
    {
        "contact": {
            "name": {"first": "Priya", "last": "Raman"},
            "work": {"email": "priya.raman@example.com"},
            "phone": "07123 456781",
        },
        "text": "Two rooms near the station, from January.",
        "interests": ["letting"],
    },
    {
        "contact": {
            "name": {"first": "Tomasz", "last": "Zielinski"},
            "work": {"email": "tomasz.zielinski@example.com"},
        },
        "text": "What is my flat worth?",
        "interests": ["valuation", "sale"],
    },
    {"contact": {"work": {"email": "priya.raman@example.com"}}, "text": "From February rather.", "interests": []},
    {"contact": {"name": {"first": "Ade"}, "work": {"email": "ade at example"}}, "text": "Hello", "interests": []},
)


class Command(BaseCommand):
    help = "Load the demo's accounts, people and leads, point its webhooks at the test inbox, and save a few leads."

    def handle(self, *args: Any, **options: Any) -> None:
        if Account.objects.exists():
            self._follow_address()
            return
        if not settings.DEMO_PASSWORD:
            raise CommandError("DEMO_PASSWORD is not set: the demo's users would have none.")
        if not settings.WEBHOOK_INBOX:
            raise CommandError("WEBHOOK_INBOX is off: the demo's webhooks would have nowhere to go.")
        # All of it or nothing: a demo that was cut short would never be completed.
        with transaction.atomic():
            call_command("loaddata", "demo", verbosity=0)
            User.objects.update(password=make_password(settings.DEMO_PASSWORD))
            self._bring_up_to_date()
            for account in Account.objects.all():
                make_kinds(account, "default")
                self._add_webhook(account)
            self._add_form()
            self._add_rule()
            self._save_leads()
            self._add_inbound()

    def _follow_address(self) -> None:
        """The demo's own webhooks go on pointing at this program when it is started at another port."""
        for webhook in Webhook.objects.filter(name__startswith=PRACTICE, url__startswith="http://127.0.0.1:"):
            if webhook.url != address(webhook):
                webhook.url = address(webhook)
                webhook.save(update_fields=["url"])

    def _bring_up_to_date(self) -> None:
        """The fixture's newest lead came an hour ago, whenever the demo is loaded."""
        newest = Lead.objects.aggregate(newest=Max("created_at"))["newest"]
        age = timezone.now() - timedelta(hours=1) - newest
        Lead.plain("default").update(created_at=F("created_at") + age, modified_date=F("modified_date") + age)
        Message.objects.update(date=F("date") + age)

    def _add_webhook(self, account: Account) -> None:
        """One of LeadPro's format, with a fresh secret, to its own address of the inbox."""
        dialect = DIALECTS["leadpro"]
        webhook = Webhook.objects.create(
            account=account,
            name=f"{PRACTICE} {account.name.split()[0]}",
            description="Points at the test inbox of this program.",
            dialect=dialect.name,
            url="",
            events=list(dialect.events),
            secret=dialect.new_secret(),
            secret_since=timezone.now(),
        )
        webhook.url = address(webhook)
        webhook.save()

    def _add_form(self) -> None:
        """An open form of the first account, at an address that no other installation has."""
        account = Account.objects.order_by("pk")[0]
        form = Form.objects.create(
            account=account,
            name="Valuation request",
            title="What is your home worth?",
            fields=[{"key": key, "label": label, "required": required} for key, label, required in VALUATION_FIELDS],
            office=account.offices.order_by("pk").first(),
            thank_you="Thank you. One of us calls you within a working day to find a time for the valuation.",
        )
        form.lists.set(account.leadlists.filter(name="Newsletter"))

    def _add_rule(self) -> None:
        """Of the first account: whoever wants to sell is called."""
        Automation.objects.create(
            account=Account.objects.order_by("pk")[0],
            name="Call new vendors",
            event="lead.created",
            conditions=[{"field": "type", "op": "is", "value": "vendor"}],
            steps=[{"do": "create_task", "name": "Call {full_name}", "days": 1}],
        )

    def _add_inbound(self) -> None:
        """Of the first account: the website's contact form, and what it has posted."""
        account = Account.objects.order_by("pk")[0]
        inbound = InboundWebhook.objects.create(
            account=account,
            name="Website",
            description="The contact form of the website.",
            mapping=WEBSITE_MAPPING,
            source="website",
            office=account.offices.order_by("pk").first(),
        )
        sender = Sender("API key Website", Scope(account.pk, None))
        headers = {"content-type": "application/json", "user-agent": "website/1.0"}
        for posted in WEBSITE_POSTS:
            body = json.dumps(posted, ensure_ascii=False).encode()
            # What is refused is kept as well, with the reason.
            with suppress(Problem):
                process.receive(inbound, sender, uuid.uuid4().hex, headers, body)

    def _save_leads(self) -> None:
        """A few changes by people of the demo, so that the history is not empty."""
        manager = User.objects.get(username="manager")
        with acting(Actor("user", manager.pk, str(manager))):
            leads = list(Lead.objects.filter(account=manager.membership.account, type__isnull=False)[:4])
            stages = ("CONTACTED", "VIEWING_BOOKED", "VALUATION_BOOKED", "KEEP_IN_TOUCH")
            for lead, stage in zip(leads, stages, strict=True):
                lead.stage = stage
                lead.status = "IN_PROGRESS"
                lead.save()
            with unit():
                lead = Lead(account=manager.membership.account, office=leads[0].office, type="vendor", source="walk-in")
                lead.title, lead.first_name, lead.last_name = "Ms", "Harriet", "Lindqvist"
                lead.email, lead.phone = "harriet.lindqvist@example.com", "07123 456789"
                lead.address, lead.postcode = "17 Park Square", "LS1 2NL"
                lead.save()
            write_down(lead.account, manager)
