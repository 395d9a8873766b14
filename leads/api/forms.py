"""Web forms: /api/v1/forms and .../{id}. What visitors send to a form goes to its own address, see leads/forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from leads import intake
from leads import setup as setups
from leads.api.errors import Fault, Problem
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One, Resource
from leads.api.shape import Offered, key_of
from leads.fields import BY_KEY
from leads.forms.page import address_of
from leads.forms.questions import choosable, faults
from leads.identity import folded
from leads.models import Form, FormSubmission, Lead
from leads.models.apikey import Scope as KeyScope
from leads.models.form import Outcome, read_redirect
from leads.scope import OFFICE, OWNER
from leads.validation import in_seconds, judge_value

_SCOPES = (KeyScope.SETUP_READ, KeyScope.SETUP_WRITE)
_LABELS: Final = ("tags", "lists", "campaigns")
_TOLD: Final = ("address", "submissions", "created_at")


class FormResource(Resource):
    model = Form
    keys = tuple(
        key_of(Form, name)
        for name in (
            *("name", "title", "is_open", "office", "pipeline", "assign", "owner", "source"),
            *("match", "update", "protected", "thank_you", "redirect_url"),
        )
    )
    unique = "name"

    def records(self) -> QuerySet[Any]:
        rows = FormSubmission.objects.filter(form=OuterRef("pk"), outcome=Outcome.LEAD).order_by()
        count = Subquery(rows.values("form").annotate(count=Count("pk")).values("count"), IntegerField())
        return super().records().annotate(leads=Coalesce(count, 0)).prefetch_related(*_LABELS)

    def store(self, form: Form, sent: Mapping[str, Any]) -> None:
        own = {"fields", *_LABELS, *_TOLD}
        found = self.faults(form, {key: value for key, value in sent.items() if key not in own})
        if form.redirect_url:
            found += _redirect_faults(form.redirect_url)
        labels = {key: self._labels(key, sent[key], found) for key in _LABELS if key in sent}
        found += self._questions(form, sent)
        if not found:
            setup = setups.of(form.account_id)
            wrong = intake.faults(form, setup, choosable(setup))
            found += [Fault(key, key, message) for key, message in wrong.items() if key in sent]
        if found:
            raise Problem(400, faults=found)
        form.save()
        for key, rows in labels.items():
            getattr(form, key).set(rows)

    def offered(self) -> Mapping[str, Offered]:
        """Office, pipeline and owner, as far as the key reaches them."""
        account_id = self.account.pk
        return {
            "office_id": Offered(self.scope.choosable_offices(account_id), OFFICE),
            "pipeline_id": Offered(self.account.pipelines.all(), "a pipeline of the account"),
            "owner_id": Offered(self.scope.choosable_owners(account_id), OWNER),
        }

    def _labels(self, key: str, names: Any, found: list[Fault]) -> list[Any]:
        """The labels of these names; what is wrong with them is added to `found`."""
        names = names or []
        if (violation := judge_value(BY_KEY[key], names)) is not None:
            found.append(Fault(key, violation.rule, violation.message))
            return []
        model: Any = Lead._meta.get_field(key).related_model
        known = {label.key: label for label in model.objects.filter(account=self.account)}
        missing = [name for name in names if folded(name) not in known]
        if missing:
            found.append(Fault(key, "reference", f"must be {key} that the account has, not {missing[0]}"))
            return []
        return [known[folded(name)] for name in names]

    def _questions(self, form: Form, sent: Mapping[str, Any]) -> list[Fault]:
        """The fields as sent, each with its own label and optional unless it says otherwise."""
        setup = setups.of(form.account_id)
        if "fields" in sent:
            known, rows = choosable(setup), sent["fields"]
            if isinstance(rows, list):
                rows = [_whole(row, known) for row in rows]
            form.fields = rows
        # A closed one may wait for somebody to mend it.
        judged = form.is_open or form.pk is None or "fields" in sent
        return [Fault(fault.field, fault.rule, fault.message) for fault in faults(form, setup)] if judged else []

    def wire(self, form: Form) -> dict[str, Any]:
        return (
            super().wire(form)
            | {"fields": form.fields}
            | {key: [label.name for label in getattr(form, key).all()] for key in _LABELS}
            | {
                "address": address_of(form),
                "submissions": getattr(form, "leads", 0),
                "created_at": in_seconds(form.created_at),
            }
        )


class Forms(FormResource, Many):
    needs = needs("form", *_SCOPES, MANY)


class OneForm(FormResource, One):
    needs = needs("form", *_SCOPES, ONE)


def _redirect_faults(url: str) -> list[Fault]:
    try:
        read_redirect(url)
    except ValueError as error:
        return [Fault("redirect_url", "url", str(error))]
    return []


def _whole(row: Any, known: Mapping[str, Any]) -> Any:
    if not isinstance(row, dict):
        return row
    key = row.get("key")
    question = known.get(key) if isinstance(key, str) else None
    given = {name: value for name, value in row.items() if value is not None}
    return {"key": key, "label": question.label if question else str(key), "required": False} | given
