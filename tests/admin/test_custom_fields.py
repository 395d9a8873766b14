"""Custom fields: their screen, and the inputs that they give the lead's form."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from leads.models import CustomField, Form, Lead
from tests import factories
from tests.admin.page import Page
from webhooks.models import Event

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/customfield/"
ADD = "/admin/leads/customfield/add/"
ADD_LEAD = "/admin/leads/lead/add/"


def page_of(field: CustomField, view: str = "change") -> str:
    return f"{LIST}{field.pk}/{view}/"


def of_lead(lead: Lead) -> str:
    return f"/admin/leads/lead/{lead.pk}/change/"


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    page = Page(client.get(path))
    return page.by_id.get("customfield_form", page.by_id.get("lead_form")) | changes


def define(crm: Any, key: str, kind: str = "text", **values: Any) -> CustomField:
    values = {"account": crm.account, "label": key.replace("_", " ").capitalize()} | values
    return CustomField.objects.create(key=key, kind=kind, **values)


def every_kind(crm: Any, **values: Any) -> None:
    for position, (key, kind, choices) in enumerate(
        [
            ("remark", "text", []),
            ("budget", "number", []),
            ("pets", "yes_no", []),
            ("move_in", "date", []),
            ("heard_from", "choice", ["Friend", "Board"]),
            ("wants", "choices", ["Garden", "Parking", "Lift"]),
        ]
    ):
        define(crm, key, kind, choices=choices, position=position, **values)


# --- the screen ------------------------------------------------------------------------------------------------------


def test_a_manager_defines_fields_one_after_the_other(crm, sign_in):
    client = sign_in(crm.manager)
    for label, key, kind, choices in (
        ("Move in", "move_in", "date", "left over from another type"),
        ("Heard from", "heard_from", "choice", " Friend \r\n\r\nBoard\r\n"),
    ):
        data = filled(client, ADD, label=label, key=key, kind=kind, choices=choices, account=crm.other.pk)
        response = client.post(ADD, data, follow=True)
        assert f"Custom field {label} saved." in Page(response).text
    stored = CustomField.objects.order_by("position").values_list("account", "key", "kind", "choices", "position")
    assert list(stored) == [
        (crm.account.pk, "move_in", "date", [], 0),
        (crm.account.pk, "heard_from", "choice", ["Friend", "Board"], 1),
    ]
    text = Page(client.get(LIST)).text
    assert "Move in move_in Date" in text
    assert "Heard from heard_from One of a list – – Friend, Board" in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"key": "Move-in"},
            "Key must begin with a letter and hold lower-case letters, digits and _ only, 50 at most.",
        ),
        ({"key": "email"}, "Key is the name of a field that every lead has."),
        ({"key": "budget"}, "This account has a custom field of that key."),
        ({"key": ""}, "Key is required."),
        ({"label": ""}, "Label is required."),
        ({"label": "a\x07"}, "Label must not contain control characters"),
        ({"kind": "nope"}, "nope is not one of the available choices"),
        ({"kind": "choice", "choices": " \r\n "}, "Choices must be"),
        ({"kind": "choices", "choices": "A\r\nA"}, "Choices must not hold a text twice."),
        ({"kind": "choice", "choices": "a\x07"}, "Choices must not contain control characters"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_stored(crm, sign_in, changes, message):
    define(crm, "budget", "number")
    client = sign_in(crm.manager)
    response = client.post(ADD, filled(client, ADD, label="Move in", key="move_in", kind="text") | changes)
    assert response.status_code == 200
    assert message in Page(response).text
    assert CustomField.objects.count() == 1


def test_the_key_stays_and_so_does_the_type_while_leads_have_a_value(crm, sign_in):
    field, client = define(crm, "a__b"), sign_in(crm.manager)
    lead = factories.lead(office=crm.leeds, custom_fields={"a__b": "Once"})
    data = filled(client, page_of(field), key="other", label="Renamed")
    client.post(page_of(field), data)
    field.refresh_from_db()
    assert (field.key, field.label) == ("a__b", "Renamed")
    response = client.post(page_of(field), filled(client, page_of(field), kind="number"))
    assert "Type cannot be changed while 1 lead has a value. Add another field instead." in Page(response).text
    lead.set("custom_fields", {"a__b": None})
    lead.save()
    client.post(page_of(field), filled(client, page_of(field), kind="number"))
    field.refresh_from_db()
    assert field.kind == "number"


def test_a_field_is_unique_once_its_values_are(crm, sign_in):
    client, field = sign_in(crm.manager), define(crm, "reference")
    first, second = (factories.lead(account=crm.account, custom_fields={"reference": value}) for value in ("A1", "a1"))
    page = Page(client.post(page_of(field), filled(client, page_of(field), unique="on")))
    assert f"Unique cannot be set while leads have the same value: lead {first.pk} and {second.pk}." in page.text
    second.delete()
    client.post(page_of(field), filled(client, page_of(field), unique="on"))
    field.refresh_from_db()
    assert field.unique
    data = filled(client, ADD_LEAD, last_name="Lee", **{"custom_fields.reference": "A1"})
    assert f"belongs to lead {first.pk} already" in Page(client.post(ADD_LEAD, data)).text


def test_a_required_field_names_the_forms_that_nobody_can_send_any_more(crm, sign_in):
    field = define(crm, "budget", "number")
    rows = [{"key": "full_name", "label": "Name", "required": True}]
    asks = [*rows, {"key": "custom_fields.budget", "label": "Budget", "required": True}]
    here = {"account": crm.account, "office": crm.leeds}
    broken = Form.objects.create(name="Contact <b>", fields=rows, is_open=True, **here)
    Form.objects.create(name="Valuation", fields=asks, is_open=True, **here)
    Form.objects.create(name="Closed", fields=rows, is_open=False, **here)
    Form.objects.create(name="Theirs", fields=rows, is_open=True, account=crm.other, office=crm.whitby)
    client = sign_in(crm.manager)
    assert "Nobody can send a web form any more that does not ask for the field." in Page(client.get(ADD)).text
    response = client.post(page_of(field), filled(client, page_of(field), required="on"), follow=True)
    page = Page(response)
    label = CustomField.objects.get().label
    assert f"1 open web form does not ask for {label}, so that nobody can send it any more: Contact <b>." in page.text
    assert reverse("admin:leads_form_change", args=[broken.pk]) in page.links
    fields = filled(client, page_of(field))
    del fields["required"]
    response = client.post(page_of(field), fields, follow=True)
    assert "open web form" not in Page(response).text


def test_deleting_says_what_becomes_of_the_values(crm, sign_in):
    field, client = define(crm, "remark"), sign_in(crm.manager)
    assert "No lead has a value of it." in Page(client.get(page_of(field, "delete"))).text
    lead = factories.lead(office=crm.leeds, custom_fields={"remark": "Kept"})
    text = Page(client.get(page_of(field, "delete"))).text
    assert "1 lead has a value of it. The values stay stored, but are not shown, sent or served any more." in text
    client.post(page_of(field, "delete"), {"post": "yes"})
    assert not CustomField.objects.exists()
    assert "custom_fields.remark" not in Page(client.get(of_lead(lead))).names
    # As the page says.
    define(crm, "remark")
    assert Page(client.get(of_lead(lead))).form("lead_form")["custom_fields.remark"] == ["Kept"]


def test_staff_have_no_such_screen_and_auditors_only_look(crm, sign_in):
    field = define(crm, "remark")
    assert sign_in(crm.staff).get(LIST).status_code == 403
    client = sign_in(crm.auditor)
    assert "Save" not in Page(client.get(page_of(field))).text
    assert client.post(page_of(field), {"label": "X"}).status_code == 403
    assert client.post(page_of(field, "delete"), {"post": "yes"}).status_code == 403
    assert client.post(ADD, {"label": "X", "key": "x", "kind": "text"}).status_code == 403
    assert [*CustomField.objects.values_list("label", flat=True)] == ["Remark"]


@pytest.mark.parametrize("view", ["change", "delete"])
def test_a_field_of_another_account_is_missing(crm, sign_in, view):
    field, client = define(crm, "remark", account=crm.other), sign_in(crm.manager)
    for method in (client.get, client.post):
        assert method(page_of(field, view), {"label": "X", "post": "yes"}).status_code == 404
    assert CustomField.objects.get().label == "Remark"


# --- the lead's form -------------------------------------------------------------------------------------------------


def test_each_kind_is_an_input_of_its_own_and_stored_as_it_is_defined(crm, sign_in):
    every_kind(crm)
    define(crm, "abroad", account=crm.other)
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    page = Page(client.get(of_lead(lead)))
    assert "Custom" in page.text
    assert "custom_fields.abroad" not in page.names
    data = page.form("lead_form") | {
        "custom_fields.remark": " Call first ",
        "custom_fields.budget": "350000.5",
        "custom_fields.pets": "false",
        "custom_fields.move_in": "2026-12-01",
        "custom_fields.heard_from": "Board",
        "custom_fields.wants": ["", "Garden", "Lift"],
    }
    assert client.post(of_lead(lead), data).status_code == 302
    stored = {
        "remark": "Call first",
        "budget": 350000.5,
        "pets": False,
        "move_in": "2026-12-01",
        "heard_from": "Board",
        "wants": ["Garden", "Lift"],
    }
    lead = Lead.objects.get(pk=lead.pk)
    assert lead.custom_fields == stored
    # Saved as it is shown, it is no change; emptied, each is unset.
    events = Event.objects.count()
    client.post(of_lead(lead), filled(client, of_lead(lead)))
    assert (Lead.objects.get(pk=lead.pk).version, Event.objects.count()) == (lead.version, events)
    data = filled(client, of_lead(lead))
    data |= {name: [""] for name in data if name.startswith("custom_fields.")} | {"custom_fields.pets": "unknown"}
    client.post(of_lead(lead), data)
    assert Lead.objects.get(pk=lead.pk).custom_fields == dict.fromkeys(stored)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("remark", "x" * 1001, "Remark must be text of at most 1000 characters."),
        ("budget", "much", "Budget must be a number."),
        ("move_in", "tomorrow", "Move in must be a date, such as 2026-11-21."),
        ("heard_from", "Radio", "Heard from must be one of Friend, Board."),
        ("wants", ["Pool"], "Wants must be an array of these: Garden, Parking, Lift."),
    ],
)
def test_errors_stand_under_the_field_and_open_its_tab(crm, sign_in, key, value, message):
    every_kind(crm)
    lead, client = factories.lead(office=crm.leeds), sign_in(crm.staff)
    for path in (of_lead(lead), ADD_LEAD):
        data = filled(client, path, email="a@example.com", **{f"custom_fields.{key}": value})
        response = client.post(path, data)
        form = response.context["adminform"].form
        assert dict(form.errors) == {f"custom_fields.{key}": [message]}
        assert "activeFieldsetTab: 'custom'" in response.content.decode()
    assert [lead.custom_fields for lead in Lead.objects.all()] == [{}]


def test_a_required_field_is_asked_of_a_new_lead(crm, sign_in):
    define(crm, "remark", required=True)
    client = sign_in(crm.staff)
    response = client.post(ADD_LEAD, filled(client, ADD_LEAD, email="a@example.com"))
    assert response.context["adminform"].form.errors["custom_fields.remark"] == ["Remark is required."]
    data = filled(client, ADD_LEAD, email="a@example.com", **{"custom_fields.remark": "There"})
    assert client.post(ADD_LEAD, data).status_code == 302
    assert Lead.objects.get().custom_fields == {"remark": "There"}


def test_a_value_that_is_not_on_offer_any_more_stays_until_it_is_changed(crm, sign_in):
    field = define(crm, "heard_from", "choice", choices=["Friend", "Board"])
    several = define(crm, "wants", "choices", choices=["Garden", "Lift"])
    lead = factories.lead(office=crm.leeds, custom_fields={"heard_from": "Friend", "wants": ["Lift"]})
    for changed, choices in ((field, ["Board"]), (several, ["Garden"])):
        changed.choices = choices
        changed.save()
    client = sign_in(crm.staff)
    client.post(of_lead(lead), filled(client, of_lead(lead), title="Dr"))
    lead = Lead.objects.get(pk=lead.pk)
    assert (lead.title, lead.custom_fields) == ("Dr", {"heard_from": "Friend", "wants": ["Lift"]})


def test_a_superuser_meets_the_fields_once_the_account_is_chosen(crm, sign_in):
    define(crm, "remark", required=True)
    client = sign_in(crm.superuser)
    data = filled(client, ADD_LEAD, email="a@example.com", account_id=crm.account.pk)
    response = client.post(ADD_LEAD, data)
    assert response.context["adminform"].form.errors["custom_fields.remark"] == ["Remark is required."]
    data = Page(response).form("lead_form") | {"custom_fields.remark": "There"}
    assert client.post(ADD_LEAD, data).status_code == 302
    assert Lead.objects.get().custom_fields == {"remark": "There"}


def test_who_may_only_look_sees_the_values(crm, sign_in):
    every_kind(crm)
    lead = factories.lead(office=crm.leeds, custom_fields={"remark": "Call first", "wants": ["Lift"]})
    page = Page(sign_in(crm.auditor).get(of_lead(lead)))
    assert {"custom_fields.remark", "custom_fields.wants"} <= page.names
    assert not [name for name in page.form("lead_form") if name.startswith("custom_fields")]
