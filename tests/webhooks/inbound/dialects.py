"""Two accounts that tell each other of their leads in one format, as two instances of this program would."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from leads.models import Account, Campaign, Company, Lead, LeadList, Membership, Office, User
from tests import factories
from webhooks.dialects.leadsquared.codes import CODES
from webhooks.models import InboundWebhook, Webhook
from webhooks.wire import mapping
from webhooks.wire.presets import PRESETS, Preset

# Dialect -> the presets that read it, each with the events that are posted there.
READ_BY: dict[str, dict[str, tuple[str, ...]]] = {
    "standard": {"standard": ("lead.created", "lead.updated")},
    "leadpro": {"leadpro": ("lead.created", "lead.updated")},
    "save_lead": {"save_lead": ("save_lead",)},
    "leadengine": {"leadengine_status": ("lead_status_updated",)},
    "leadhub": {"leadhub": ("lead.created", "lead.updated", "lead.deleted")},
    "leadsquared": {
        "leadsquared": (CODES["lead.created"],),
        "leadsquared_change": (CODES["lead.updated"],),
    },
}

OWNER = "dana.moss@example.com"

# Of every field that a format carries and that can be told; what belongs to an account is the same in both.
FULL: dict[str, Any] = factories.VENDOR | {
    "title": "Mrs",
    "source": "rightmove",
    "advert_address": "1 Foundry Lane, Starbridge",
    "advert_postcode": "N1 4AB",
    "advert_url": "https://www.example.com/result",
    "advert_image": "https://www.example.com/150",
    "message": "When can I view this property? Ça va – 你好",
    "appointment_availability": {"hours": ["2026-11-24T10:00:00.000Z"]},
    "meta": {"virtual tour": "true"},
    "questionnaire": [["Do you have property to sell?", "yes"]],
    "status": "IN_PROGRESS",
    "stage": "VALUATION_BOOKED",
    "gdpr_checkbox": False,
    "host": "https://valuation.example.com",
    "average_sale_estimation": 410000.5,
    "average_rent_estimation": 1250,
    "minimum_sale_estimation": 400000,
    "maximum_sale_estimation": 420000,
    "minimum_rent_estimation": 1200,
    "maximum_rent_estimation": 1300.25,
    "property_reference": "REF-1",
    "property_bedrooms": 4,
    "international": True,
    "property_type": "semi-detached",
    "score": 45,
    "notes": "Prefers the mornings",
    "lead_status": "Conversation",
    "tags": ["vip", "from-webinar"],
    "lists": ["Sellers", "Newsletter"],
    "campaigns": ["Autumn valuations"],
    "business_email": "olivia@hartley.example.com",
    "personal_email": "olivia.hartley@example.com",
    "mobile_phone": "+44 7123 456789",
    "office_phone": "01865 496000",
    "phone_country": "GB",
    "phone_validation": "valid",
    "city": "Starbridge",
    "state": "Oxfordshire",
    "country": "United Kingdom",
    "time_zone": "Europe/London",
    "gender": "female",
    "about": "Designs gardens",
    "person_linkedin": "https://linkedin.com/in/olivia",
    "person_x": "@olivia",
    "person_facebook": "https://facebook.com/olivia",
    "linkedin_summary": "Gardens",
    "company_name": "Hartley Design",
    "job_title": "Owner",
    "job_department": "Management",
    "industry": "Design",
    "number_of_employees": 12,
    "website": "https://hartley.example.com",
    "website_summary": "Gardens for everybody",
    "company_linkedin": "https://linkedin.com/company/hartley",
    "company_x": "@hartley",
    "company_facebook": "https://facebook.com/hartley",
    "lead_type": "Prospect",
    "life_cycle": "Customer",
    "sentiment": "positive",
    "email_provider": "Gmail",
    "email_provider_type": "free",
    "email_validation": "valid",
    "email_bounce_status": "soft",
    "email_bounce_sub_status": "mailbox full",
    "email_subscription": "subscribed",
    "sms_subscription": "unsubscribed",
    "import_tags": ["2026-11 import"],
    "created_date": "2024-12-02T14:05:38Z",
    "last_contacted": "2025-05-06T08:58:10Z",
    "last_email_click_date": "2025-05-06T09:01:00Z",
    "last_email_open_date": "2025-05-06T09:00:00Z",
    "last_email_reply_date": "2025-05-06T08:59:17Z",
    "number_of_email_clicks": 1,
    "number_of_email_opens": 3,
    "number_of_email_replies": 2,
    "number_of_emails": 5,
    "number_of_phone_calls": 4,
    "number_of_sms_replies": 0,
    "number_of_sms_sent": 6,
    "number_of_times_contacted": 9,
    "lead_status_history": ["Follow Up", "Conversation"],
    "life_cycle_history": ["Subscriber", "Customer"],
    "sentiment_history": ["neutral", "positive"],
}
# What changes later, and is in at least one format each.
CHANGED: dict[str, Any] = {
    "first_name": "Livia",
    "full_name": "Livia Hartley",
    "phone": "07123456780",
    "lead_status": "Needs Info",
    "score": 60,
    "stage": "WON",
    "tags": ["vip"],
    "website": None,
    "city": "Oxford",
    "company_name": "Hartley & Daughters",
}


@dataclass
class Side:
    """One of the two: its account, and where it is told of the other's leads."""

    account: Account
    doors: dict[str, InboundWebhook] = field(default_factory=dict)

    @classmethod
    def new(cls, name: str, dialect: str, doors: bool = True) -> Side:
        """With people, offices, pipelines, lists and campaigns of the same names as every other one."""
        account = factories.account(name)
        owner = User.objects.create_user(f"dana at {name}", OWNER)
        Membership.objects.create(user=owner, account=account)
        Office.objects.create(account=account, name="Oxford")
        Company.objects.create(account=account, name="Hartley Design Ltd")
        for one in FULL["lists"]:
            LeadList.objects.create(account=account, name=one)
        for one in FULL["campaigns"]:
            Campaign.objects.create(account=account, name=one)
        side = cls(account)
        for name in READ_BY[dialect] if doors else ():
            side.doors[name] = door(account, PRESETS[name])
        return side

    def lead(self, **values: Any) -> Lead:
        """One with every field full."""
        records = {
            "owner_id": User.objects.get(email=OWNER, membership__account=self.account).pk,
            "office_id": self.account.offices.get().pk,
            "company_id": Company.objects.get(account=self.account).pk,
        }
        return factories.lead(account=self.account, **FULL | records | values)

    def only(self) -> Lead:
        return Lead.objects.get(account=self.account)


def door(account: Account, preset: Preset, **values: Any) -> InboundWebhook:
    """An inbound webhook as its page makes it of a preset, which mirrors what it is told."""
    given = {
        "name": preset.label,
        "verification": preset.verification,
        "signature_header": preset.signature_header,
        "secret": "" if preset.verification == "bearer" else secret_of(account.name),
        "mapping": mapping.write(preset.rows + preset.records),
        "only_path": preset.only_path,
        "only_values": list(preset.only_values),
        "match": preset.match,
        "update": "mirror",
        "source": "",
    }
    return InboundWebhook.objects.create(account=account, **given | values)


def secret_of(account: str) -> str:
    """What its inbound webhooks share with whoever posts there."""
    return f"secret of {account} {'x' * 32}"


def tell(sender: Side, receiver: Side, dialect: str, key: str, **values: Any) -> list[Webhook]:
    """The webhooks by which one side tells the other: as the receiver wants them signed, or with its API key."""
    made = []
    for name, events in READ_BY[dialect].items():
        inbound = receiver.doors[name]
        given = {
            "name": f"To {inbound}",
            "dialect": dialect,
            "events": list(events),
            "secret": inbound.secret,
            "custom_headers": {} if inbound.secret else {"Authorization": f"Bearer {key}"},
        }
        url = f"https://testserver/in/{inbound.uid}"
        made.append(factories.webhook(url, account=sender.account, **given | values))
    return made


def carried(dialect: str) -> set[str]:
    """The fields that the presets of a dialect fill."""
    return {row.field for name in READ_BY[dialect] for row in PRESETS[name].rows + PRESETS[name].records}


def seen(lead: Lead, dialect: str) -> dict[str, Any]:
    """What a receiver is told of a lead in this format, by our names.

    But for modified_date, which goes by whole seconds: a second change within one is taken for none.
    """
    values = lead.values()
    return {name: values[name] for name in sorted(carried(dialect) - {"modified_date"})}
