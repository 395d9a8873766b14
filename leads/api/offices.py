"""Offices: /api/v1/offices and .../{id}, with LeadPro's two keys, id and name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from leads import validation
from leads.api import pagination
from leads.api.errors import Fault, Problem, missing
from leads.api.permissions import Need
from leads.api.view import View, id_of, unknown_keys
from leads.changes import unit
from leads.fields import BY_KEY
from leads.models import Lead, Office
from leads.models.apikey import Scope as KeyScope

KEYS = ("id", "name")
_NAME = replace(BY_KEY["office_name"], key="name", wire="name", min_length=1)


class Offices(View):
    needs: ClassVar[Mapping[str, Need]] = {
        "GET": Need(KeyScope.OFFICES_READ, "leads.view_office"),
        "POST": Need(KeyScope.OFFICES_WRITE, "leads.add_office"),
    }
    parameters = pagination.PARAMETERS

    def get(self, request: Request) -> Response:
        page = pagination.page(self.scope.offices(), ("id",), request)
        return Response(pagination.listed(request, page, [wire(office) for office in page.rows]))

    def post(self, request: Request) -> Response:
        if not self.scope.whole_account:
            raise Problem(403, "The maker of this API key works in single offices and cannot add one.")
        with unit():
            office = Office(account=self.account)
            store(office, self.sent)
        return Response(wire(office), status=201, headers={"Location": f"{request.path.rstrip('/')}/{office.pk}"})


class OneOffice(View):
    needs: ClassVar[Mapping[str, Need]] = {
        "GET": Need(KeyScope.OFFICES_READ, "leads.view_office"),
        "PATCH": Need(KeyScope.OFFICES_WRITE, "leads.change_office"),
        "DELETE": Need(KeyScope.OFFICES_WRITE, "leads.delete_office"),
    }

    def get(self, request: Request, pk: str) -> Response:
        return Response(wire(find(self, pk)))

    def patch(self, request: Request, pk: str) -> Response:
        with unit():
            office = find(self, pk, lock=True)
            store(office, self.sent)
        return Response(wire(office))

    def delete(self, request: Request, pk: str) -> Response:
        with unit():
            office = find(self, pk, lock=True)
            leads = Lead.objects.filter(office=office).count()
            if leads:
                raise Problem(
                    409,
                    f"{office.name} still has {leads:,} {'lead' if leads == 1 else 'leads'}: "
                    "refer them to other offices first.",
                    code="in_use",
                )
            office.delete()
        return Response(status=204)


def find(view: View, pk: str, lock: bool = False) -> Office:
    offices = view.scope.offices()
    if lock:
        offices = offices.select_for_update()
    number = id_of(pk)
    office = offices.filter(pk=number).first() if number is not None else None
    if office is None:
        raise missing("office")
    return office


def store(office: Office, sent: Mapping[str, Any]) -> None:
    faults = unknown_keys(sent, KEYS, "an office")
    if "name" in sent or office.pk is None:
        name = sent.get("name")
        # As the admin's form takes it.
        name = name.strip() if isinstance(name, str) else name
        fault = _fault_of_name(office, name)
        if fault is None:
            office.name = str(name)
        else:
            faults.append(fault)
    if faults:
        raise Problem(400, faults=faults)
    office.save()


def _fault_of_name(office: Office, name: Any) -> Fault | None:
    if name is None or name == "":
        return Fault("name", "required", "is required")
    for code in validation.RULES_OF_KIND[_NAME.kind]:
        rule = validation.RULES[code].value
        if rule is not None and (message := rule(_NAME, name)) is not None:
            return Fault("name", code, message)
    if Office.objects.filter(account_id=office.account_id, name=name).exclude(pk=office.pk).exists():
        return Fault("name", "unique", "is the name of another office of this account")
    return None


def wire(office: Office) -> dict[str, Any]:
    return {"id": office.pk, "name": office.name}
