"""Web forms in the admin: what they ask, where their leads go, their address, and what has come in."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from leads.forms import page
from leads.forms.answers import TRAP
from leads.models import Campaign, CustomField, Form, FormSubmission, Lead, LeadList, Pipeline, Tag
from tests.admin.page import Page

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/form/"
ADD = "/admin/leads/form/add/"


def page_of(form: Form, view: str = "change") -> str:
    return f"{LIST}{form.pk}/{view}/"


def form_of(crm: Any, **values: Any) -> Form:
    rows = [
        {"key": "full_name", "label": "Your name", "required": True},
        {"key": "email", "label": "Your e-mail", "required": True},
    ]
    return Form.objects.create(
        **{"account": crm.account, "name": "Contact us", "title": "Say hello", "fields": rows} | values
    )


def filled(client: Client, path: str, **changes: Any) -> dict[str, Any]:
    return Page(client.get(path)).form("form_form") | changes


def rows_of(*rows: tuple[str, str, str]) -> dict[str, list[str]]:
    keys, labels, required = zip(*rows, strict=True) if rows else ((), (), ())
    return {"fields.key": list(keys), "fields.label": list(labels), "fields.required": list(required)}


def submit(form: Form, name: str = "Olivia Hartley", **more: str) -> None:
    answer = Client().post(
        page.path_of(form), {"full_name": name, "email": "o@example.com", **more}, "application/json"
    )
    assert answer.status_code == 200, answer.content


def errors(response: Any) -> str:
    assert response.status_code == 200, response.get("Location")
    return Page(response).text


def test_each_user_sees_the_forms_of_their_account(crm, sign_in):
    own, other = form_of(crm), form_of(crm, account=crm.other, name="Elsewhere")
    sees = {
        crm.manager: {own},
        crm.auditor: {own},
        crm.staff: {own},
        crm.superuser: {own, other},
        crm.other_manager: {other},
    }
    for user, forms in sees.items():
        client = sign_in(user)
        text = Page(client.get(LIST)).text
        assert {form for form in (own, other) if form.name in text} == forms, user
        for form in (own, other):
            assert client.get(page_of(form)).status_code == (200 if form in forms else 404), user
    for user in (crm.viewer, crm.powerless):
        assert [sign_in(user).get(path).status_code for path in (LIST, ADD, page_of(own))] == [403] * 3


def test_how_leads_are_recognised_and_who_gets_new_ones(crm, sign_in):
    CustomField.objects.create(account=crm.account, key="reference", label="Their number", unique=True)
    client, form = sign_in(crm.manager), form_of(crm)
    chosen = {"match": "custom_fields.reference", "update": "overwrite", "protected": ["email", "phone"]}
    data = filled(client, page_of(form), office=crm.york.pk, assign="in_turn", **chosen)
    assert client.post(page_of(form), data).status_code == 302
    form.refresh_from_db()
    assert {key: getattr(form, key) for key in chosen} == chosen
    shown = filled(client, page_of(form))
    assert (shown["match"], shown["protected"], shown["assign"]) == (
        ["custom_fields.reference"],
        ["email", "phone"],
        ["in_turn"],
    )
    submit(form)
    submit(form)
    assert Lead.objects.filter(submissions__form=form, owner=crm.staff_b).count() == 2  # the only one of York


def test_only_managers_change_forms(crm, sign_in):
    form = form_of(crm)
    data = filled(sign_in(crm.manager), page_of(form), name="Renamed")
    for user in (crm.staff, crm.auditor):
        client = sign_in(user)
        shown = Page(client.get(page_of(form)))
        assert form.name in shown.text and page.address_of(form) in shown.text
        assert client.get(ADD).status_code == client.post(ADD, data).status_code == 403
        assert client.post(page_of(form), data).status_code == 403
        assert client.post(page_of(form, "delete"), {"post": "yes"}).status_code == 403
    client = sign_in(crm.other_manager)
    assert (
        client.post(page_of(form), data).status_code
        == client.post(page_of(form, "delete"), {"post": "yes"}).status_code
    )
    assert client.post(page_of(form), data).status_code == 404
    form.refresh_from_db()
    assert form.name == "Contact us"


def test_a_manager_builds_a_form_that_works_at_once(crm, sign_in):
    client = sign_in(crm.manager)
    pipeline = Pipeline.objects.create(account=crm.account, name="Lettings")
    pipeline.stages.create(name="Enquiry", code="NEW")
    CustomField.objects.create(account=crm.account, key="pets", label="Pets", kind="yes_no")
    tag = Tag.objects.create(account=crm.account, name="website")
    list_ = LeadList.objects.create(account=crm.account, name="Newsletter")
    campaign = Campaign.objects.create(account=crm.account, name="Spring")
    data = filled(
        client,
        ADD,
        account=crm.other.pk,
        name="Valuation request",
        title="What is your home worth?",
        office=crm.york.pk,
        pipeline=pipeline.pk,
        owner=crm.staff.pk,
        source="spring",
        tags=[tag.pk],
        lists=[list_.pk],
        campaigns=[campaign.pk],
        redirect_url="https://example.com/thanks",
        **rows_of(
            ("phone", "", "yes"),
            ("", "", "no"),
            ("custom_fields.pets", "Any pets?", "no"),
            ("full_name", " Your name ", "no"),
        ),
    )
    response = client.post(ADD, data)
    form = Form.objects.get()
    assert response["Location"] == page_of(form)
    assert form.account == crm.account
    assert form.fields == [
        {"key": "phone", "label": "Phone", "required": True},
        {"key": "custom_fields.pets", "label": "Any pets?", "required": False},
        {"key": "full_name", "label": "Your name", "required": False},
    ]
    answer = Client().post(page.path_of(form), {"phone": "07123456789"}, "application/json")
    assert answer.status_code == 200
    lead = Lead.objects.get()
    assert (lead.office, lead.owner, lead.pipeline, lead.source) == (crm.york, crm.staff, pipeline, "spring")
    assert [lead.get(key) for key in ("tags", "lists", "campaigns")] == [["website"], ["Newsletter"], ["Spring"]]


def test_the_page_gives_back_what_is_stored(crm, sign_in):
    client = sign_in(crm.manager)
    form = form_of(crm, office=crm.leeds)
    form.tags.add(Tag.objects.create(account=crm.account, name="website"))
    before = Form.objects.values().get()
    response = client.post(page_of(form), filled(client, page_of(form)))
    assert response.status_code == 302
    assert Form.objects.values().get() == before
    assert [tag.name for tag in form.tags.all()] == ["website"]


def test_fields_are_ordered_changed_and_removed(crm, sign_in):
    client = sign_in(crm.manager)
    form = form_of(crm)
    data = filled(client, page_of(form), **rows_of(("email", "E-mail", "no"), ("full_name", "Name", "yes")))
    client.post(page_of(form), data)
    form.refresh_from_db()
    assert form.fields == [
        {"key": "email", "label": "E-mail", "required": False},
        {"key": "full_name", "label": "Name", "required": True},
    ]
    assert list(Page(Client().get(page.path_of(form))).forms[0]) == ["email", "full_name", TRAP]


@pytest.mark.parametrize(
    "rows, said",
    [
        ([], "Fields must be 1 to 50."),
        ([("message", "Message", "no")], "The form must ask for more: Full name is required when there is neither"),
        ([("email", "E-mail", "no"), ("email", "Again", "no")], "Field 2: the field must be asked for only once."),
        ([("email", "Same", "no"), ("phone", "Same", "no")], "Field 2: the label must differ from the others."),
        ([("email", "x" * 201, "no")], "Field 1: the label must have at most 200 characters."),
        ([("", "Only a label", "no")], "Field 1: the field must be a field that a form can ask for."),
        ([("email", "", "no"), ("score", "", "no")], "Field 2: the field must be a field that a form can ask for."),
        ([("email", "", "no"), ("custom_fields.pets", "", "no")], "Field 2: the field must be a field that a form"),
        ([("email", "", "no"), ("type", "", "no")], "The form must ask for more: Address is required when type is"),
    ],
)
def test_rows_that_make_no_form_are_refused(crm, sign_in, rows, said):
    CustomField.objects.create(account=crm.other, key="pets", label="Pets")
    client = sign_in(crm.manager)
    form = form_of(crm)
    assert said in errors(client.post(page_of(form), filled(client, page_of(form), **rows_of(*rows))))
    form.refresh_from_db()
    assert [row["key"] for row in form.fields] == ["full_name", "email"]


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"name": " "}, "Name is required."),
        ({"title": ""}, "Title is required."),
        ({"name": "Taken"}, "This account has a form of that name."),
        ({"redirect_url": "javascript:alert(1)"}, "Redirect to must begin with https:// or http://"),
        ({"redirect_url": "https://me:secret@example.com"}, "Redirect to must not have a user name or password in it."),
        ({"redirect_url": "//example.com"}, "Redirect to must begin with"),
        ({"thank_you": ""}, "required"),
        ({"source": ""}, "Source is required."),
    ],
)
def test_values_that_are_refused(crm, sign_in, changes, said):
    form_of(crm, name="Taken")
    form = form_of(crm)
    client = sign_in(crm.manager)
    assert said in errors(client.post(page_of(form), filled(client, page_of(form), **changes)))
    assert Form.objects.filter(name="Contact us", redirect_url="").exists()


def test_nothing_of_another_account_can_be_chosen(crm, sign_in):
    theirs = {
        "office": crm.whitby.pk,
        "pipeline": crm.other.pipelines.get().pk,
        "owner": crm.other_manager.pk,
        "tags": Tag.objects.create(account=crm.other, name="theirs").pk,
        "lists": LeadList.objects.create(account=crm.other, name="theirs").pk,
        "campaigns": Campaign.objects.create(account=crm.other, name="theirs").pk,
    }
    form = form_of(crm)
    client = sign_in(crm.manager)
    for name, pk in theirs.items():
        text = errors(client.post(page_of(form), filled(client, page_of(form), **{name: pk})))
        assert f"{name.capitalize()} must be" in text and "on offer." in text, name
    form.refresh_from_db()
    assert (form.office, form.pipeline, form.owner, form.tags.count()) == (None, None, None, 0)


def test_a_form_is_closed_and_opened(crm, sign_in):
    form = form_of(crm)
    client = sign_in(crm.manager)
    data = filled(client, page_of(form))
    data.pop("is_open")
    client.post(page_of(form), data)
    assert Client().get(page.path_of(form)).status_code == 404
    shown = Page(client.get(page_of(form)))
    assert "Closed" in shown.text and page.address_of(form) not in shown.links
    client.post(page_of(form), data | {"is_open": "on"})
    assert Client().get(page.path_of(form)).status_code == 200
    assert page.address_of(form) in Page(client.get(page_of(form))).links


def test_a_form_that_nobody_can_send_says_so_and_can_be_closed(crm, sign_in):
    form = form_of(crm)
    client = sign_in(crm.manager)
    assert "Nobody can send this form" not in Page(client.get(page_of(form))).text
    CustomField.objects.create(account=crm.account, key="budget", label="Budget", required=True)
    said = "Nobody can send this form. The form must ask for more: Budget is required."
    assert said in Page(client.get(page_of(form))).text
    data = filled(client, page_of(form))
    assert "The form must ask for more: Budget" in errors(client.post(page_of(form), data))
    data.pop("is_open")
    assert client.post(page_of(form), data).status_code == 302


def test_a_field_that_is_gone_is_shown_as_such(crm, sign_in):
    field = CustomField.objects.create(account=crm.account, key="pets", label="Pets")
    form = form_of(crm)
    form.fields = [*form.fields, {"key": "custom_fields.pets", "label": "Pets?", "required": False}]
    form.save()
    field.delete()
    client = sign_in(crm.manager)
    assert "custom_fields.pets (gone)" in Page(client.get(page_of(form))).text
    assert "Field 3: the field must be" in errors(client.post(page_of(form), filled(client, page_of(form))))


def test_the_list_counts_what_has_come_in(crm, sign_in):
    form = form_of(crm)
    client = sign_in(crm.manager)
    assert "Contact usSay hello Open 0 0 Never" in Page(client.get(LIST)).text
    submit(form), submit(form), submit(form, **{TRAP: "x"})
    assert "Contact usSay hello Open 2 1 " in Page(client.get(LIST)).text


def test_recent_submissions_lead_to_the_leads_that_the_user_sees(crm, sign_in):
    form = form_of(crm, office=crm.york)
    submit(form)
    submit(form, name="<b>Ben</b>")
    submit(form, name="Buy now", **{TRAP: "x"})
    deleted = Lead.objects.get(full_name="Olivia Hartley")
    link = f"/admin/leads/lead/{Lead.objects.get(full_name='<b>Ben</b>').pk}/change/"
    deleted.delete()
    whole = {user: Page(sign_in(user).get(page_of(form))) for user in (crm.manager, crm.auditor, crm.superuser)}
    for shown in whole.values():
        assert link in shown.links
        assert "<b>Ben</b>" in shown.text and "Lead deleted" in shown.text
        assert "Spam" in shown.text and "Buy now" in shown.text
    york = Page(sign_in(crm.staff_b).get(page_of(form)))
    assert link in york.links and "Buy now" not in york.text
    leeds = Page(sign_in(crm.staff).get(page_of(form)))
    assert link not in leeds.links and "Ben" not in leeds.text and "None yet." in leeds.text


def test_the_html_for_other_sites_is_shown_as_text(crm, sign_in):
    form = form_of(crm, title="<script>alert(1)</script>")
    content = sign_in(crm.manager).get(page_of(form)).content.decode()
    assert "&lt;form method=&quot;post&quot; action=&quot;" in content
    assert "<script>alert" not in content


def test_deleting_a_form_keeps_its_leads(crm, sign_in):
    form = form_of(crm)
    submit(form)
    client = sign_in(crm.manager)
    assert "What is kept of 1 submission goes, the leads stay." in Page(client.get(page_of(form, "delete"))).text
    response = client.post(page_of(form, "delete"), {"post": "yes"})
    assert (response.status_code, response["Location"]) == (302, LIST)
    assert not Form.objects.exists() and not FormSubmission.objects.exists()
    assert Lead.objects.count() == 1


def test_no_forms_are_deleted_together(crm, sign_in):
    form = form_of(crm)
    data = {"action": "delete_selected", "_selected_action": [form.pk], "post": "yes"}
    assert sign_in(crm.manager).post(LIST, data).status_code == 403
    assert Form.objects.exists()


def test_a_superuser_chooses_the_account_and_then_the_rest(crm, sign_in):
    client = sign_in(crm.superuser)
    data = filled(client, ADD, account=crm.other.pk, name="Theirs", title="Hello")
    assert not {"office", "owner", "tags"} & set(data)
    client.post(ADD, data)
    form = Form.objects.get()
    assert (form.account, [row["key"] for row in form.fields]) == (
        crm.other,
        ["first_name", "last_name", "email", "phone", "message"],
    )
    client.post(page_of(form), filled(client, page_of(form), office=crm.whitby.pk, account=crm.account.pk))
    form.refresh_from_db()
    assert (form.account, form.office) == (crm.other, crm.whitby)
    assert "Account must be one of those on offer." in errors(client.post(ADD, data | {"account": ""}))


def test_the_address_of_a_form_is_not_typed(crm, sign_in):
    form = form_of(crm)
    client = sign_in(crm.manager)
    client.post(page_of(form), filled(client, page_of(form), uid="guessable", created_at="2020-01-01"))
    assert Form.objects.values_list("uid", "created_at").get() == (form.uid, form.created_at)
