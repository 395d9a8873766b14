"""The public side of web forms: the page, submissions by browsers and programs, the trap and the rate limit."""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connections
from django.test import Client, RequestFactory, override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leads import setup
from leads.forms import limit, page, questions
from leads.forms.answers import TRAP
from leads.forms.sender import address_of
from leads.forms.views import LARGEST_BODY
from leads.models import Campaign, CustomField, Form, FormSubmission, Lead, LeadList, Membership, Pipeline, Tag, User
from leads.models.form import Outcome
from leads.signals import Fact
from tests import factories
from tests.admin.page import Page

pytestmark = pytest.mark.django_db

URLENCODED = "application/x-www-form-urlencoded"
CONTACT = [
    {"key": "full_name", "label": "Your name", "required": True},
    {"key": "email", "label": "Your e-mail", "required": True},
    {"key": "property_bedrooms", "label": "How many bedrooms?", "required": False},
    {"key": "property_type", "label": "What kind of home?", "required": False},
    {"key": "message", "label": "Anything else?", "required": False},
    {"key": "gdpr_checkbox", "label": "You may contact me", "required": False},
]
OLIVIA = {"full_name": "Olivia Hartley", "email": "olivia@example.com"}


def form_of(rows: list[dict[str, Any]] = CONTACT, **values: Any) -> Form:
    account = values.pop("account", None) or factories.account()
    return Form.objects.create(
        **{"account": account, "name": "Contact us", "title": "Contact Northgate Homes", "fields": rows} | values
    )


def row(key: str, label: str = "", required: bool = False) -> dict[str, Any]:
    return {"key": key, "label": label or key, "required": required}


def post(form: Form, data: Any, **extra: Any) -> Any:
    """As a browser does."""
    return Client().post(page.path_of(form), urlencode(data, doseq=True), content_type=URLENCODED, **extra)


def send(form: Form, body: Any, **extra: Any) -> Any:
    """As a program does."""
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return Client().post(page.path_of(form), text, **({"content_type": "application/json"} | extra))


# --- the page ---


def test_the_page_asks_in_the_order_of_the_form_and_marks_what_is_required():
    form = form_of()
    response = Client().get(page.path_of(form))
    shown = Page(response)
    assert response.status_code == 200
    assert list(shown.forms[0]) == ["full_name", "email", "property_bedrooms", "property_type", "message", TRAP]
    assert "Your e-mail (required)" in shown.text and "How many bedrooms? (required)" not in shown.text
    text = response.content.decode()
    for key in ("full_name", "email", "property_bedrooms", "property_type", "message", "gdpr_checkbox"):
        assert f'id="f-{key}"' in text
    assert (
        '<input type="email" id="f-email" name="email" value="" maxlength="254" autocomplete="email" required>' in text
    )


def test_the_page_needs_no_cookie_no_session_and_no_script():
    form = form_of()
    shown = Client().get(page.path_of(form))
    for response in (shown, post(form, OLIVIA), post(form, {"email": ""}), send(form, OLIVIA)):
        assert response.status_code in (200, 400)
        assert not response.cookies
        assert "Cookie" not in response.get("Vary", "")
        assert response["Cache-Control"] == "no-store"
        text = response.content.decode()
        assert "<script" not in text and "style=" not in text
        policy = response["Content-Security-Policy"]
        assert "unsafe" not in policy and "form-action 'self';" in f"{policy};"


def test_a_signed_in_visitor_is_anybody(told: list[Fact]):
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    form = form_of()
    assert client.post(page.path_of(form), urlencode(OLIVIA), content_type=URLENCODED).status_code == 200
    assert {(fact.actor.kind, fact.actor.id, fact.actor.name) for fact in told} == {("form", form.pk, "Contact us")}


def test_a_closed_form_and_an_unknown_one_are_the_same_404():
    closed = form_of(is_open=False)
    paths = (page.path_of(closed), "/f/none", "/f/" + "x" * 500)
    pages = [Client().get(path) for path in paths]
    assert {(response.status_code, response.content) for response in pages} == {(404, pages[0].content)}
    assert "No form here" in pages[0].content.decode()
    for path in paths:
        assert Client().post(path, urlencode(OLIVIA), content_type=URLENCODED).status_code == 404
        answer = Client().post(path, OLIVIA, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not Lead.objects.exists() and not FormSubmission.objects.exists()


def test_each_form_has_an_address_that_nobody_guesses():
    first, second = form_of(), form_of(name="Another")
    assert len(first.uid) == 22 and first.uid != second.uid
    assert page.path_of(first) == f"/f/{first.uid}"
    assert Client().get(f"/f/{first.uid}/").status_code == 200


# --- a submission becomes a lead ---


def test_a_submission_makes_a_lead_and_tells_of_both(told: list[Fact]):
    form = form_of()
    answers = OLIVIA | {
        "property_bedrooms": "3",
        "property_type": "flat-maisonette",
        "message": "First line\r\nsecond line ",
        "gdpr_checkbox": "yes",
        "send": "Send",
    }
    response = post(form, answers)
    assert response.status_code == 200
    assert "Thank you. We will be in touch." in response.content.decode()
    lead = Lead.objects.get()
    assert (lead.account, lead.source, lead.stage, lead.type) == (form.account, "web_form", "NEW", None)
    assert [lead.get(key) for key in ("full_name", "email", "property_bedrooms", "property_type", "gdpr_checkbox")] == [
        "Olivia Hartley",
        "olivia@example.com",
        3,
        "flat-maisonette",
        True,
    ]
    assert lead.get("message") == "First line\nsecond line"
    assert [fact.type for fact in told] == ["lead.created", "form.submitted"]
    assert told[0].context == {}
    assert told[1].snapshot == told[0].snapshot and told[1].version == 1
    fields = {
        "Your name": "Olivia Hartley",
        "Your e-mail": "olivia@example.com",
        "How many bedrooms?": 3,
        "What kind of home?": "flat-maisonette",
        "Anything else?": "First line\nsecond line",
        "You may contact me": True,
    }
    assert told[1].context == {"form": {"id": form.pk, "name": "Contact us", "fields": fields}}
    taken = FormSubmission.objects.get()
    assert (taken.form, taken.lead, taken.outcome, taken.fields) == (form, lead, Outcome.LEAD, fields)


def test_a_box_that_is_not_ticked_is_a_no():
    post(form_of(), OLIVIA)
    assert Lead.objects.get().get("gdpr_checkbox") is False


def test_the_lead_goes_where_the_form_says(told: list[Fact]):
    account = factories.account()
    owner = User.objects.create_user("dana", "dana@example.com", first_name="Dana")
    Membership.objects.create(user=owner, account=account)
    pipeline = Pipeline.objects.create(account=account, name="Lettings")
    first = pipeline.stages.create(name="Enquiry", code="REGISTERED")
    form = form_of(office=factories.office(), owner=owner, pipeline=pipeline, source="spring campaign")
    form.tags.add(Tag.objects.create(account=account, name="website"))
    form.lists.add(LeadList.objects.create(account=account, name="Newsletter"))
    form.campaigns.add(Campaign.objects.create(account=account, name="Spring"))
    post(form, OLIVIA)
    lead = Lead.objects.get()
    assert (lead.office, lead.owner, lead.pipeline, lead.pipeline_stage) == (form.office, owner, pipeline, first)
    assert (lead.source, lead.stage, lead.version) == ("spring campaign", "REGISTERED", 1)
    assert [lead.get(key) for key in ("tags", "lists", "campaigns")] == [["website"], ["Newsletter"], ["Spring"]]
    assert [fact.type for fact in told] == ["lead.created", "form.submitted", "lead.assigned"]


@pytest.mark.parametrize("gone", ["inactive", "elsewhere"])
def test_an_owner_who_has_left_gets_no_more_leads(gone: str):
    owner = User.objects.create_user("dana", is_active=gone != "inactive")
    Membership.objects.create(
        user=owner, account=factories.account("Harbour Lets" if gone == "elsewhere" else "Northgate Homes")
    )
    form = form_of(owner=owner)
    post(form, OLIVIA)
    assert Lead.objects.get().owner is None


def test_the_form_goes_on_when_what_it_pointed_at_is_gone():
    account = factories.account()
    pipeline = Pipeline.objects.create(account=account, name="Lettings")
    pipeline.stages.create(name="Enquiry", code="NEW")
    field = CustomField.objects.create(account=account, key="pets", label="Pets")
    office = factories.office()
    form = form_of([*CONTACT, row("custom_fields.pets", "Pets?", True)], pipeline=pipeline, office=office)
    form.lists.add(LeadList.objects.create(account=account, name="Newsletter"))
    office.delete(), pipeline.delete(), field.delete(), LeadList.objects.all().delete()
    assert post(form, OLIVIA).status_code == 200
    assert (Lead.objects.get().office, Lead.objects.get().pipeline.is_default) == (None, True)


def test_custom_fields_of_every_kind():
    account = factories.account()
    for key, kind, choices in (
        ("street", "text", []),
        ("budget", "number", []),
        ("pets", "yes_no", []),
        ("move_in", "date", []),
        ("parking", "choice", ["Garage", "Street"]),
        ("views", "choices", ["Sea", "Park", "City"]),
    ):
        CustomField.objects.create(account=account, key=key, label=key.title(), kind=kind, choices=choices)
    rows = [row(f"custom_fields.{key}") for key in ("street", "budget", "pets", "move_in", "parking", "views")]
    form = form_of([*CONTACT[:2], *rows])
    typed = OLIVIA | {
        "custom_fields.street": "Elm",
        "custom_fields.budget": "250000.50",
        "custom_fields.pets": "no",
        "custom_fields.move_in": "2027-01-31",
        "custom_fields.parking": "Garage",
        "custom_fields.views": ["Sea", "City"],
    }
    assert post(form, typed).status_code == 200
    stored = {
        "street": "Elm",
        "budget": 250000.5,
        "pets": False,
        "move_in": "2027-01-31",
        "parking": "Garage",
        "views": ["Sea", "City"],
    }
    assert Lead.objects.get().custom_fields == stored
    wrong = OLIVIA | {
        "custom_fields.budget": "a lot",
        "custom_fields.pets": "perhaps",
        "custom_fields.move_in": "31/01/2027",
        "custom_fields.parking": "Roof",
        "custom_fields.views": ["Sea", "Moon"],
    }
    response = post(form, wrong)
    assert response.status_code == 400
    text = Page(response).text
    for key in ("budget", "pets", "move_in", "parking", "views"):
        assert f"custom_fields.{key} must be" in text
    assert Page(response).forms[0]["custom_fields.views"] == ["Sea"]
    answer = send(form, OLIVIA | {f"custom_fields.{key}": value for key, value in stored.items()})
    assert answer.status_code == 200
    assert [lead.custom_fields for lead in Lead.objects.all()] == [stored, stored]


def test_redirect_or_thank_you_text():
    form = form_of(thank_you="Thank you.\n\n<b>Bold</b>")
    assert "<p>Thank you.</p>\n\n<p>&lt;b&gt;Bold&lt;/b&gt;</p>" in post(form, OLIVIA).content.decode()
    form = form_of(name="Second", redirect_url="https://bücher.example:8443/thanks?for=all")
    response = post(form, OLIVIA)
    assert (response.status_code, response["Location"]) == (303, "https://xn--bcher-kva.example:8443/thanks?for=all")
    # The browser asks the policy of the page where the form was, for each step of the way.
    policy = Client().get(page.path_of(form))["Content-Security-Policy"]
    assert "form-action 'self' https://xn--bcher-kva.example:8443;" in f"{policy};"


# --- refusals ---


def test_a_refused_submission_stores_nothing_and_keeps_what_was_typed(told: list[Fact]):
    form = form_of()
    typed = {"full_name": "<b>Olivia</b>", "email": "olivia", "property_bedrooms": "three", "message": "\n Hello\n"}
    response = post(form, typed)
    assert response.status_code == 400
    shown = Page(response)
    assert shown.forms[0]["full_name"] == ["<b>Olivia</b>"]
    assert shown.forms[0]["email"] == ["olivia"]
    assert shown.forms[0]["property_bedrooms"] == ["three"]
    text = response.content.decode()
    said = "Your e-mail must be an e-mail address such as name@example.com."
    # At the top, with a link to the field; and beside the field, which names it.
    assert f'<a href="#f-email">{said}</a>' in text
    assert f'id="f-email-error">{said}' in text
    assert 'aria-invalid="true" aria-describedby="f-email-error" autofocus>' in text
    assert "How many bedrooms? must be a whole number, such as 3." in text
    assert text.count("autofocus") == 1
    assert "<title>Not sent: Contact Northgate Homes</title>" in text
    assert not Lead.objects.exists() and not FormSubmission.objects.exists() and told == []


def test_what_the_form_requires():
    form = form_of([row("full_name"), row("email", required=True), row("gdpr_checkbox", "Consent", True)])
    answer = send(form, {"full_name": " ", "email": "  ", "gdpr_checkbox": False})
    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, "invalid")
    assert [(fault["field"], fault["rule"]) for fault in body["errors"]] == [
        ("full_name", "contactable"),
        ("email", "required"),
        ("gdpr_checkbox", "required"),
    ]
    assert "Consent is required." in Page(post(form, {"email": "a@example.com"})).text
    assert post(form, {"email": "a@example.com", "gdpr_checkbox": "yes"}).status_code == 200


def test_a_field_that_every_lead_has_to_have_is_required_here_as_well():
    CustomField.objects.create(account=factories.account(), key="pets", label="Pets", kind="yes_no", required=True)
    form = form_of([*CONTACT, row("custom_fields.pets", "Any pets?")])
    response = post(form, OLIVIA)
    assert "Any pets? is required." in Page(response).text
    assert post(form, OLIVIA | {"custom_fields.pets": "no"}).status_code == 200
    CustomField.objects.create(account=factories.account(), key="budget", label="Budget", required=True)
    assert "custom_fields.budget is required." in Page(post(form, OLIVIA | {"custom_fields.pets": "no"})).text


def test_a_type_is_judged_by_its_profile_and_offered_where_the_questions_suffice():
    keys = ("full_name", "email", "phone", "type", "address", "postcode")
    form = form_of([row(key) for key in keys])
    text = Client().get(page.path_of(form)).content.decode()
    codes = ("sale", "vendor", "landlord", "let")
    assert [code for code in codes if f'value="{code}"' in text] == ["vendor", "landlord"]
    body = send(form, OLIVIA | {"type": "vendor"}).json()
    assert [(fault["field"], fault["rule"]) for fault in body["errors"]] == [
        ("phone", "required"),
        ("address", "required_address"),
        ("postcode", "required_address"),
    ]
    body = send(form, OLIVIA | {"type": "sale"}).json()
    assert [(fault["field"], fault["rule"]) for fault in body["errors"]] == [("type", "choice")]
    whole = OLIVIA | {"phone": "07123456789", "address": "1 Elm Row", "postcode": "N1 3JY", "type": "vendor"}
    assert send(form, whole).status_code == 200
    assert send(form, OLIVIA).status_code == 200
    assert sorted(Lead.objects.values_list("type", flat=True), key=str) == [None, "vendor"]
    form.fields = [*form.fields, row("property_reference")]
    form.office = factories.office()
    form.save()
    text = Client().get(page.path_of(form)).content.decode()
    assert all(f'value="{code}"' in text for code in codes)


def test_nothing_but_the_questions_can_be_set():
    form = form_of()
    more = {"account_id": "7", "status": "BUSINESS", "score": "9", "office_id": "1", "id": "3", "tags": "vip"}
    assert post(form, OLIVIA | more).status_code == 200
    lead = Lead.objects.get()
    assert (lead.account, lead.status, lead.score, lead.office, lead.get("tags")) == (
        form.account,
        "UNREAD",
        0,
        None,
        [],
    )
    body = send(form, OLIVIA | {"score": 9, "lead": {}}).json()
    assert [(fault["field"], fault["rule"]) for fault in body["errors"]] == [("score", "unknown"), ("lead", "unknown")]


# --- programs ---


def test_a_program_gets_an_id_and_any_page_may_read_it():
    form = form_of()
    answer = send(form, OLIVIA | {"property_bedrooms": 3, "gdpr_checkbox": None}, HTTP_ORIGIN="https://shop.example")
    taken = FormSubmission.objects.get()
    assert answer.json() == {"status": "success", "id": str(taken.pk)}
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer
    assert Lead.objects.get().get("gdpr_checkbox") is None
    refused = send(form, OLIVIA | {"property_bedrooms": "3"})
    body = refused.json()
    assert list(body) == ["status", "code", "message", "errors", "request_id"]
    assert body["errors"][0]["field"] == "property_bedrooms"
    assert body["message"].startswith("property_bedrooms must be a whole number")
    assert refused["X-Request-ID"] == body["request_id"]
    assert refused["Access-Control-Allow-Origin"] == "*"


def test_a_preflight_is_answered_and_nothing_else_is_shared():
    form = form_of()
    answer = Client().options(
        page.path_of(form), HTTP_ORIGIN="https://shop.example", HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST"
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer["Access-Control-Allow-Methods"] == "POST"
    assert answer["Access-Control-Allow-Headers"] == "Content-Type"
    for path in (page.path_of(form), "/admin/login/", "/api/v1/leads", "/livez"):
        assert "Access-Control-Allow-Origin" not in Client().get(path)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace"])
def test_other_methods_are_405(method: str):
    answer = getattr(Client(), method)(page.path_of(form_of()))
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST, OPTIONS")


def test_bodies_that_are_not_taken():
    form = form_of()
    path = page.path_of(form)
    assert post(form, OLIVIA | {"message": "x" * LARGEST_BODY}).status_code == 413
    assert send(form, json.dumps(OLIVIA | {"message": "x" * LARGEST_BODY})).json()["code"] == "too_large"
    assert Client().post(path, OLIVIA).status_code == 415
    for content_type in ("text/plain", "application/xml", "application/json; charset=utf-16"):
        assert send(form, OLIVIA, content_type=content_type).json()["code"] == "unsupported_media_type"
    assert send(form, OLIVIA, HTTP_CONTENT_ENCODING="gzip").json()["status"] == 415
    assert send(form, OLIVIA, HTTP_TRANSFER_ENCODING="chunked").json()["status"] == 411
    assert send(form, OLIVIA, CONTENT_LENGTH="-5").json()["code"] == "malformed"
    for body in ("[]", "{", '{"email": "a", "email": "b"}', '{"email": NaN}', "[" * 5000, b"\xff", '"x"'):
        assert send(form, body).json()["code"] == "malformed", body
    assert post(form, {f"field{number}": "" for number in range(6000)}).status_code in (200, 400)
    assert Client().post(path, "&".join("a=" for _ in range(15_000)), content_type=URLENCODED).status_code == 400
    assert not Lead.objects.exists()


ANY = settings(derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
KEYS = st.one_of(
    st.sampled_from(["full_name", "email", "property_bedrooms", "message", "custom_fields.views", TRAP]),
    st.text(max_size=5),
)
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["\x00", "\ud800", "1_0", "٣", "9" * 5000, "1e999", "nan", "-0", "x" * 9000, "a@b.co", "\r\n", "Sea"]
    ),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
ADDRESSES = (f"198.51.{number // 250}.{number % 250 + 1}" for number in itertools.count())


@pytest.fixture
def garbage_form() -> Form:
    CustomField.objects.create(
        account=factories.account(), key="views", label="Views", kind="choices", choices=["Sea", "Park"]
    )
    return form_of([*CONTACT, row("custom_fields.views", "Views"), row("type")])


@ANY
@given(sent=st.dictionaries(KEYS, JSON, max_size=5))
def test_any_json_is_taken_or_refused(garbage_form: Form, sent: dict[str, Any]):
    before = Lead.objects.count()
    answer = send(garbage_form, json.dumps(OLIVIA | sent), REMOTE_ADDR=next(ADDRESSES))
    assert answer.status_code in (200, 400), sent
    if answer.status_code == 400:
        assert Lead.objects.count() == before
        assert list(answer.json()) == ["status", "code", "message", "errors", "request_id"]


@ANY
@given(pairs=st.lists(st.tuples(KEYS, TEXTS), max_size=5))
def test_anything_that_is_typed_is_taken_or_refused(garbage_form: Form, pairs: list[tuple[str, str]]):
    body = urlencode([*OLIVIA.items(), *pairs], errors="surrogatepass")
    path = page.path_of(garbage_form)
    answer = Client().post(path, body, content_type=URLENCODED, REMOTE_ADDR=next(ADDRESSES))
    assert answer.status_code in (200, 400), pairs


@ANY
@given(body=st.binary(max_size=60), content_type=st.sampled_from([URLENCODED, "application/json", "", "a; charset=x"]))
def test_any_bytes_are_taken_or_refused(garbage_form: Form, body: bytes, content_type: str):
    path = page.path_of(garbage_form)
    answer = Client().generic("POST", path, body, content_type=content_type, REMOTE_ADDR=next(ADDRESSES))
    assert answer.status_code in (200, 400, 415)


# --- the trap ---


def test_who_fills_in_the_trap_is_answered_like_a_success_and_makes_no_lead(told: list[Fact]):
    form = form_of()
    good = post(form, OLIVIA)
    trapped = post(form, {TRAP: "http://spam.example", "email": "\x00no address", "message": "Buy\x00" + "x" * 9000})
    assert (trapped.status_code, trapped.content) == (good.status_code, good.content)
    answer = send(form, OLIVIA | {TRAP: "x", "unknown": 1})
    assert answer.status_code == 200
    assert (list(answer.json()), answer.json()["status"]) == (["status", "id"], "success")
    uuid.UUID(answer.json()["id"])
    assert Lead.objects.count() == 1 and len(told) == 2
    spam = FormSubmission.objects.filter(outcome=Outcome.SPAM, lead=None)
    assert spam.count() == 2
    assert spam.get(fields__has_key="Anything else?").fields == {
        "Your e-mail": " no address",
        "Anything else?": "Buy " + "x" * 196,
        "You may contact me": "False",
    }


def test_people_do_not_meet_the_trap():
    text = Client().get(page.path_of(form_of())).content.decode()
    assert f'name="{TRAP}" value="" tabindex="-1" autocomplete="off"' in text
    assert 'class="more" aria-hidden="true"' in text


# --- the rate limit ---


def aged(form: Form, **ago: int) -> None:
    FormSubmission.objects.filter(form=form).update(received_at=timezone.now() - timedelta(**ago))


def test_five_in_a_minute_from_one_address():
    form = form_of()
    assert [post(form, OLIVIA).status_code for _ in range(6)] == [200] * 5 + [429]
    page_ = post(form, OLIVIA | {"message": "Kept"})
    assert 1 <= int(page_["Retry-After"]) <= 60
    assert f"Try again in {page_['Retry-After']} s." in Page(page_).text
    assert Page(page_).forms[0]["message"] == ["\r\nKept"], "the line break at the start is the template's"
    answer = send(form, OLIVIA)
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert int(answer["Retry-After"]) >= 1
    assert "Retry-After" in answer["Access-Control-Expose-Headers"]
    assert Lead.objects.count() == FormSubmission.objects.count() == 5
    # Others, and other forms, are not meant.
    assert post(form, OLIVIA, REMOTE_ADDR="198.51.100.7").status_code == 200
    assert post(form_of(name="Another"), OLIVIA).status_code == 200
    aged(form, seconds=61)
    assert post(form, OLIVIA).status_code == 200


def test_thirty_in_an_hour_from_one_address():
    form = form_of()
    sender = limit.digest("127.0.0.1")
    FormSubmission.objects.bulk_create(
        FormSubmission(form=form, address=sender, received_at=timezone.now() - timedelta(minutes=2 * number))
        for number in range(1, 29)
    )
    assert [post(form, OLIVIA).status_code for _ in range(3)] == [200, 200, 429]
    # The oldest of the thirty counts for another 4 minutes.
    assert 180 < int(post(form, OLIVIA)["Retry-After"]) <= 240


def test_spam_counts_and_refusals_do_not():
    form = form_of()
    assert [post(form, {"email": "no"}).status_code for _ in range(10)] == [400] * 10
    assert [post(form, {TRAP: "x"}).status_code for _ in range(6)] == [200] * 5 + [429]


def test_addresses_are_kept_as_digests_and_for_an_hour():
    form = form_of()
    post(form, OLIVIA, REMOTE_ADDR="198.51.100.7")
    (stored,) = FormSubmission.objects.values_list("address", flat=True)
    assert len(stored) == 64 and "198.51" not in stored
    aged(form, minutes=59)
    post(form, OLIVIA)
    assert FormSubmission.objects.exclude(address="").count() == 2
    aged(form, minutes=61)
    post(form, OLIVIA)
    assert FormSubmission.objects.exclude(address="").count() == 1


def test_one_connection_is_one_address():
    assert limit.digest("2001:db8::1") == limit.digest("2001:db8:0:0:ffff::2") != limit.digest("2001:db8:0:1::1")
    assert limit.digest("::ffff:198.51.100.7") == limit.digest("198.51.100.7") != limit.digest("198.51.100.8")


def test_forwarded_addresses_count_as_far_as_the_proxies_are_trusted():
    def seen(remote: str, forwarded: str = "", proxies: tuple[str, ...] = ()) -> str:
        headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
        with override_settings(TRUSTED_PROXIES=list(proxies)):
            return address_of(RequestFactory().get("/", REMOTE_ADDR=remote, **headers))

    assert seen("198.51.100.7", "203.0.113.9") == "198.51.100.7"
    assert seen("198.51.100.7", "203.0.113.9", ("10.0.0.0/8",)) == "198.51.100.7"
    assert seen("10.0.0.1", "203.0.113.9", ("10.0.0.0/8",)) == "203.0.113.9"
    assert seen("10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.2", ("10.0.0.0/8",)) == "203.0.113.9"
    assert seen("10.0.0.1", "10.0.0.3", ("10.0.0.0/8",)) == "10.0.0.3"
    assert seen("10.0.0.1", "unknown", ("10.0.0.0/8",)) == "10.0.0.1"
    assert seen("10.0.0.1", "", ("10.0.0.0/8",)) == "10.0.0.1"
    assert seen("", "203.0.113.9", ("10.0.0.0/8",)) == "203.0.113.9"
    assert seen("", "203.0.113.9") == ""


@pytest.mark.django_db(transaction=True)
def test_the_limit_holds_when_all_come_at_once():
    form = form_of()
    start = threading.Barrier(12)
    answers: list[int] = []

    def one() -> None:
        start.wait()
        answers.append(send(form, OLIVIA).status_code)
        connections.close_all()

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] * 5 + [429] * 7
    assert Lead.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_a_form_that_is_closed_meanwhile_takes_nothing(monkeypatch: pytest.MonkeyPatch):
    form = form_of()
    shown = questions.asked

    def close(*args: Any) -> Any:
        Form.objects.filter(pk=form.pk).update(is_open=False)
        return shown(*args)

    monkeypatch.setattr("leads.forms.views.asked", close)
    assert post(form, OLIVIA).status_code == 404
    Form.objects.update(is_open=True)
    assert send(form, OLIVIA).json()["code"] == "not_found"
    assert not Lead.objects.exists()


def test_one_submission_asks_the_database_a_bounded_number_of_questions(
    django_assert_max_num_queries: Callable[..., Any],
):
    form = form_of()
    send(form, OLIVIA)
    with django_assert_max_num_queries(32):
        send(form, OLIVIA)


# --- what is left when a lead or form goes ---


def test_deleting_a_lead_forgets_what_was_typed():
    form = form_of()
    post(form, OLIVIA)
    Lead.objects.get().delete()
    taken = FormSubmission.objects.get()
    assert (taken.lead, taken.fields, taken.outcome) == (None, {}, Outcome.LEAD)
    form.delete()
    assert not FormSubmission.objects.exists()


def test_a_known_lead_is_met_again_and_nothing_of_it_is_overwritten(told: list[Fact]):
    form = form_of(match="email", source="spring")
    lead = factories.lead(email="olivia@example.com", first_name="Olive", source="portal")
    del told[:]
    visitor = send(form, {**OLIVIA, "email": "OLIVIA@example.com"})
    assert visitor.status_code == 200 and Lead.objects.count() == 1
    lead.refresh_from_db()
    assert (lead.first_name, lead.source) == ("Olive", "portal")
    assert FormSubmission.objects.get().lead == lead
    assert "form.submitted" in [fact.type for fact in told] and "lead.created" not in [fact.type for fact in told]
    form.update, form.protected = "overwrite", ["last_name"]
    form.save()
    send(form, {**OLIVIA, "email": "olivia@example.com", "full_name": "Liv Hart"})
    lead.refresh_from_db()
    assert (Lead.objects.count(), lead.last_name, lead.version) == (1, "Hartley", 3)


def test_visitors_are_not_told_whose_a_value_is():
    account = factories.account()
    CustomField.objects.create(account=account, key="reference", label="Reference", unique=True)
    form = form_of()
    form.fields = [*form.fields, {"key": "custom_fields.reference", "label": "Number", "required": False}]
    form.save()
    lead = factories.lead(custom_fields={"reference": "A1"})
    answer = send(form, {**OLIVIA, "custom_fields.reference": "a1"})
    assert answer.status_code == 400 and b"is taken already" in answer.content
    assert f"lead {lead.pk}".encode() not in answer.content


def test_a_form_may_go_and_its_leads_stay():
    form = form_of()
    post(form, OLIVIA)
    form.delete()
    assert Lead.objects.count() == 1


# --- which forms there may be ---


def said(rows: Any, **values: Any) -> list[tuple[str, str]]:
    form = Form(account=factories.account(), fields=rows, **values)
    return [(fault.field, fault.rule) for fault in questions.faults(form, setup.of(form.account_id))]


@pytest.mark.parametrize(
    "rows, wrong",
    [
        (CONTACT, []),
        ([row("phone")], []),
        ([row("first_name"), row("last_name")], []),
        ([], [("fields", "rows")]),
        ("email", [("fields", "rows")]),
        ([None], [("fields", "rows")]),
        ([row("email")] * 51, [("fields", "rows")]),
        ([row("message")], [("fields", "contactable")]),
        ([row("email"), row("email", "Again")], [("fields.1.key", "unique")]),
        ([row("email", "Same"), row("phone", "Same")], [("fields.1.label", "unique")]),
        ([row("email", " ")], [("fields.0.label", "required")]),
        ([row("email", "x" * 201)], [("fields.0.label", "length")]),
        ([row("email", "a\nb")], [("fields.0.label", "control_characters")]),
        ([{"key": "email"}], [("fields.0.label", "required"), ("fields.0.required", "boolean")]),
        ([row("email") | {"required": 1}], [("fields.0.required", "boolean")]),
        ([row("email") | {"help": ""}], [("fields.0.help", "unknown")]),
        ([row("custom_fields.none")], [("fields.0.key", "field")]),
        ([{"key": [], "label": "a", "required": True}], [("fields.0.key", "field")]),
        *(([row("email"), row(key)], [("fields.1.key", "field")]) for key in ("score", "status", "office_id", "tags")),
        *(
            ([row("email"), row(key)], [("fields.1.key", "field")])
            for key in ("id", "notes", "number_of_emails", "meta")
        ),
        # A type needs what its profile needs, and is told what is missing for the nearest one.
        ([row("email"), row("type")], [("fields", "required")] * 2 + [("fields", "required_address")] * 2),
    ],
)
def test_a_form_asks_for_what_makes_a_lead(rows: Any, wrong: list[tuple[str, str]]):
    assert said(rows) == wrong


def test_a_form_asks_for_every_field_that_the_account_requires():
    CustomField.objects.create(account=factories.account(), key="budget", label="Budget", kind="number", required=True)
    assert said(CONTACT) == [("fields", "required")]
    assert said([*CONTACT, row("custom_fields.budget")]) == []
    CustomField.objects.create(account=factories.account("Harbour Lets"), key="pets", label="Pets")
    assert said([*CONTACT, row("custom_fields.budget"), row("custom_fields.pets")]) == [("fields.7.key", "field")]


# --- the HTML for other sites ---


def test_the_snippet_is_a_form_that_works_elsewhere():
    form = form_of()
    with override_settings(SITE_URL="https://crm.example.com"):
        text = page.snippet(form, questions.asked(form, setup.of(form.account_id)))
    assert f'action="https://crm.example.com/f/{form.uid}"' in text
    assert "<script" not in text and "style" not in text and 'class="more"' not in text
    assert "<p hidden>" in text and f'name="{TRAP}"' in text
    assert "\n\n" not in text

    class Answer:
        content = text.encode()

    sent = Page(Answer()).forms[0] | OLIVIA
    assert post(form, sent).status_code == 200
    assert Lead.objects.get().full_name == "Olivia Hartley"
