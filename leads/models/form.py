"""Web forms: what a form asks and where its leads go, and what came of each submission."""

from __future__ import annotations

import secrets
import uuid
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import models
from django.db.models import Q
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone

from leads.models.account import Account
from leads.models.campaign import Campaign
from leads.models.intake_policy import UPDATES, IntakePolicy
from leads.models.lead import Lead
from leads.models.lead_list import LeadList
from leads.models.office import Office
from leads.models.once import Once
from leads.models.pipeline import Pipeline
from leads.models.tag import Tag
from leads.models.user import User

SOURCE = "web_form"

LONGEST_LABEL = 200
MOST_FIELDS = 50


def new_uid() -> str:
    """128 random bits: who was not given a form's address does not find it."""
    return secrets.token_urlsafe(16)


_is_url = URLValidator(schemes=["http", "https"])


def read_redirect(url: str) -> SplitResult:
    """The parts of an address that visitors are sent on to, its host in ASCII as browsers and policies want it.

    Raises ValueError for anything but http and https, and for a user name or password: everybody would see it.
    """
    try:
        _is_url(url)
        parts = urlsplit(url)
        parts = parts._replace(netloc=parts.netloc.encode("idna").decode())
    except (ValidationError, UnicodeError):
        raise ValueError("must begin with https:// or http://, such as https://example.com/thanks") from None
    if parts.username is not None:
        raise ValueError("must not have a user name or password in it")
    return parts


def check_redirect(url: str) -> None:
    try:
        read_redirect(url)
    except ValueError as error:
        raise ValidationError(f"Redirect to {error}.", code="url") from None


class Form(IntakePolicy):
    """A page for everybody, whose submissions become leads of the account."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="forms")
    name = models.CharField(max_length=100)
    title = models.CharField(max_length=200)
    uid = models.CharField(max_length=22, unique=True, default=new_uid, editable=False)
    is_open = models.BooleanField("open", default=True)
    # In the order of the page: [{"key": "email", "label": "Your e-mail", "required": true}, ...]. A key is one of the
    # catalogue's or custom_fields.<key>; leads/forms/questions.py says which.
    fields = models.JSONField(default=list)
    # Of the leads that it makes; the labels are those of every one that comes in by it.
    office = models.ForeignKey(Office, on_delete=models.SET_NULL, related_name="forms", null=True, blank=True)
    pipeline = models.ForeignKey(Pipeline, on_delete=models.SET_NULL, related_name="forms", null=True, blank=True)
    owner = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="forms", null=True, blank=True)
    source = models.CharField(max_length=255, default=SOURCE)
    # Anybody can send a form in anybody's name.
    update = models.CharField("when the lead is there", max_length=10, choices=UPDATES, default="fill_empty")
    tags = models.ManyToManyField(Tag, related_name="forms", blank=True)
    lists = models.ManyToManyField(LeadList, related_name="forms", blank=True)
    campaigns = models.ManyToManyField(Campaign, related_name="forms", blank=True)
    # What the visitor sees afterwards: the address, where there is one, else the text.
    thank_you = models.TextField("thank-you text", max_length=2000, default="Thank you. We will be in touch.")
    redirect_url = models.CharField("redirect to", max_length=500, blank=True, validators=[check_redirect])
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            Once(
                fields=["account", "name"],
                name="form_name_once_per_account",
                violation_error_message="This account has a form of that name.",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Outcome(models.TextChoices):
    LEAD = "lead", "Lead"
    SPAM = "spam", "Spam"


class FormSubmission(models.Model):
    """One that was taken. What was refused for its values or by the rate limit leaves no trace."""

    # Told to whoever submitted: it says nothing of how many others did.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    form = models.ForeignKey(Form, on_delete=models.CASCADE, related_name="submissions")
    lead = models.ForeignKey(Lead, on_delete=models.SET_NULL, related_name="submissions", null=True, blank=True)
    received_at = models.DateTimeField(default=timezone.now)
    # A digest of the sender's address, for as long as the rate limit needs it; then "".
    address = models.CharField(max_length=64, blank=True)
    # {label: value} in the order of the form; {} once the lead is deleted.
    fields = models.JSONField(default=dict)
    outcome = models.CharField(max_length=4, choices=Outcome.choices)

    class Meta:
        ordering = ["-received_at"]
        indexes = [
            models.Index(fields=["form", "-received_at"], name="submission_newest"),
            models.Index(
                fields=["form", "address", "-received_at"], name="submission_address", condition=~Q(address="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.form} {self.received_at:%Y-%m-%d %H:%M}"


@receiver(pre_delete, sender=Lead)
def forget(sender: Any, instance: Lead, using: str, **kwargs: Any) -> None:
    """What somebody typed goes with the lead that it became."""
    FormSubmission.objects.using(using).filter(lead=instance).update(fields={})
