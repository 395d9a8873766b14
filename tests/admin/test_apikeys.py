"""API keys in the admin: made, shown once, revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.utils import timezone

from leads.models import ApiKey
from leads.models.apikey import digest
from tests.admin.page import Page

pytestmark = pytest.mark.django_db

LIST = "/admin/leads/apikey/"
ADD = "/admin/leads/apikey/add/"
REVOKE = {"_form_submitted": "True"}


def page_of(key: ApiKey, view: str = "change") -> str:
    return f"{LIST}{key.pk}/{view}/"


def made(crm: Any, user: Any = None, account: Any = None, **values: Any) -> ApiKey:
    key = ApiKey(account=account or crm.account, user=user or crm.manager, name="website", scopes=["leads:read"])
    for name, value in values.items():
        setattr(key, name, value)
    key.generate()
    key.save()
    return key


def filled(client: Any, path: str, **changes: Any) -> dict[str, Any]:
    response = client.get(path)
    assert response.status_code == 200
    return Page(response).form("apikey_form") | changes


def test_a_key_is_made_shown_once_and_found_by_its_secret(crm, sign_in):
    client = sign_in(crm.manager)
    data = filled(client, ADD, name="website", scopes=["leads:read", "leads:write"], account=crm.other.pk)
    response = client.post(ADD, data)
    key = ApiKey.objects.get()
    assert (response.status_code, response["Location"]) == (302, page_of(key))
    shown = client.get(page_of(key))
    text = Page(shown).text
    assert "Copy the API key now. It is not shown again." in text
    secret = shown.context["secret"]
    assert secret in text
    assert ApiKey.find(secret) == key
    assert (key.account, key.user, key.scopes) == (crm.account, crm.manager, ["leads:read", "leads:write"])
    assert key.digest == digest(secret)
    assert "no-store" in shown["Cache-Control"]
    for path in (page_of(key), LIST):
        again = client.get(path)
        assert secret not in again.content.decode()
        assert "not shown again" not in Page(again).text


def test_the_secret_rests_nowhere_on_the_server(crm, sign_in):
    from django.contrib.sessions.models import Session

    client = sign_in(crm.manager)
    client.post(ADD, filled(client, ADD, name="website", scopes=["leads:read"]))
    key = ApiKey.objects.get()
    cookie = client.cookies[f"api-key-{key.pk}"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", page_of(key))
    secret = client.get(page_of(key)).context["secret"]
    assert secret not in "".join(str(session.get_decoded()) for session in Session.objects.all())
    assert secret not in "".join(f"{entry.change_message}{entry.object_repr}" for entry in LogEntry.objects.all())
    assert secret not in str(ApiKey.objects.values().get())


def test_a_planted_cookie_shows_nothing(crm, sign_in):
    key = made(crm)
    client = sign_in(crm.manager)
    client.cookies[f"api-key-{key.pk}"] = "lck_planted"
    assert "lck_planted" not in client.get(page_of(key)).content.decode()


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"name": ""}, "name", "required"),
        ({"scopes": []}, "scopes", "Scopes must be at least one."),
        ({"scopes": ["leads:everything"]}, "scopes", "Scopes must be among those on offer"),
        ({"expires_at": "2001-01-01T00:00"}, "expires_at", "Expires must be in the future."),
        ({"expires_at": "soon"}, "expires_at", "Expires must be a date and time."),
    ],
)
def test_a_bad_key_is_refused(crm, sign_in, changes, key, message):
    client = sign_in(crm.manager)
    data = filled(client, ADD, name="website", scopes=["leads:read"]) | changes
    response = client.post(ADD, data)
    assert message in response.context["adminform"].form.errors[key][0]
    assert not ApiKey.objects.exists()


def test_scopes_go_no_further_than_the_rights_of_the_maker(crm, sign_in):
    rights = ("view_lead", "add_apikey", "view_apikey")
    crm.manager.groups.clear()
    crm.staff.user_permissions.set(Permission.objects.filter(codename__in=rights))
    crm.auditor.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = sign_in(crm.auditor)  # sees leads and offices, writes neither
    data = filled(client, ADD, name="website")
    for scope in ("leads:write", "offices:write"):
        response = client.post(ADD, data | {"scopes": [scope]})
        assert "a key may never do more than you" in response.context["adminform"].form.errors["scopes"][0]
    client.post(ADD, data | {"scopes": ["leads:read", "offices:read"]})
    assert ApiKey.objects.get().scopes == ["leads:read", "offices:read"]


def test_an_expiry_is_stored_in_utc(crm, sign_in):
    client = sign_in(crm.manager)
    client.post(ADD, filled(client, ADD, name="website", scopes=["leads:read"], expires_at="2999-12-31T10:30"))
    assert ApiKey.objects.get().expires_at.isoformat() == "2999-12-31T10:30:00+00:00"


def test_superusers_choose_the_account(crm, sign_in):
    client = sign_in(crm.superuser)
    data = filled(client, ADD, name="website", scopes=["leads:read"])
    assert "account" in client.post(ADD, data).context["adminform"].form.errors
    client.post(ADD, data | {"account": crm.other.pk})
    assert ApiKey.objects.get().account == crm.other


def test_the_list_names_prefix_scopes_maker_use_and_state(crm, sign_in):
    now = timezone.now()
    active = made(crm, name="In use", last_used_at=now - timedelta(minutes=5))
    made(crm, name="Old", expires_at=now - timedelta(days=1))
    made(crm, name="Gone", revoked_at=now)
    crm.staff.is_active = False
    crm.staff.save()
    made(crm, name="Orphan", user=crm.staff)
    made(crm, name="Foreign", user=crm.other_manager, account=crm.other)
    text = Page(sign_in(crm.manager).get(LIST)).text
    for words in ("In use", f"{active.prefix}…", "leads:read", "5 min ago", "Never"):
        assert words in text
    for state in ("Active", "Expired", "Revoked", "Maker inactive"):
        assert state in text
    assert "Foreign" not in text
    assert active.digest not in text


@pytest.mark.parametrize(("grace", "works"), [("0", False), ("3600", True), ("86400", True), ("604800", True)])
def test_a_key_is_regenerated_and_shown_once(crm, sign_in, grace, works):
    client, key = sign_in(crm.manager), made(crm)
    old = key.generate()
    key.save()
    before = key.prefix
    response = client.post(page_of(key, "regenerate"), REVOKE | {"grace": grace}, headers={"HX-Request": "1"})
    assert response.headers["HX-Redirect"] == page_of(key)
    shown = client.get(page_of(key))
    secret, text = shown.context["secret"], Page(shown).text
    assert secret in text and secret != old
    key.refresh_from_db()
    assert ApiKey.find(secret) == key
    assert (ApiKey.find(old) == key) is works
    assert ("Works until" in text, "Stop old key…" in text) == (works, works)
    if works:
        assert abs((key.old_until - timezone.now()).total_seconds() - int(grace)) < 60
    assert secret not in str(ApiKey.objects.values().get()) and old not in str(ApiKey.objects.values().get())
    assert secret not in client.get(page_of(key)).content.decode()
    # The history names it by what it began with.
    logged = LogEntry.objects.get(object_id=str(key.pk)).get_change_message()
    assert before in logged and key.prefix in logged and secret not in logged and old not in logged


def test_the_old_key_is_stopped_before_its_time(crm, sign_in):
    client, key = sign_in(crm.manager), made(crm)
    old = key.generate()
    new = key.regenerate(timedelta(days=7))
    newest = key.regenerate(timedelta(days=7))
    assert [ApiKey.find(secret) for secret in (old, new, newest)] == [None, key, key]
    client.post(page_of(key, "stop-old"), REVOKE)
    assert [ApiKey.find(secret) for secret in (new, newest)] == [None, key]
    text = Page(client.get(page_of(key))).text
    assert "Works until" not in text and "Stop old key…" not in text


def test_revoking_stops_both(crm, sign_in):
    key = made(crm)
    old = key.generate()
    new = key.regenerate(timedelta(days=7))
    sign_in(crm.manager).post(page_of(key, "revoke"), REVOKE)
    assert [ApiKey.find(secret) for secret in (old, new)] == [None, None]


def test_nobody_gets_a_key_that_may_more_than_they(crm, sign_in):
    """The new secret would open what its maker may."""
    crm.auditor.user_permissions.set(Permission.objects.filter(codename__in=["view_apikey", "change_apikey"]))
    client = sign_in(crm.auditor)
    for key in (made(crm, user=crm.superuser), made(crm, user=crm.manager, scopes=["leads:write"])):
        assert "Regenerate…" not in Page(client.get(page_of(key))).text
        assert client.post(page_of(key, "regenerate"), REVOKE | {"grace": "0"}).status_code == 403
        assert ApiKey.objects.get(pk=key.pk).digest == key.digest


def test_who_may_not_change_keys_regenerates_none(crm, sign_in):
    key = made(crm)
    for user, status in ((crm.auditor, 403), (crm.staff, 403), (crm.other_manager, 404)):
        client = sign_in(user)
        for view in ("regenerate", "stop-old"):
            assert client.post(page_of(key, view), REVOKE | {"grace": "0"}).status_code == status, (user, view)
    key.refresh_from_db()
    assert key.digest and key.old_digest is None


def test_on_a_stored_key_only_the_name_changes(crm, sign_in):
    key = made(crm)
    client = sign_in(crm.manager)
    more = {"scopes": ["leads:write"], "account": crm.other.pk, "expires_at": "2999-01-01T00:00", "digest": "x"}
    response = client.post(page_of(key), filled(client, page_of(key), name="renamed", **more))
    assert response.status_code == 302
    stored = ApiKey.objects.get()
    assert (stored.name, stored.scopes, stored.account, stored.expires_at, stored.digest) == (
        "renamed",
        ["leads:read"],
        crm.account,
        None,
        key.digest,
    )


def test_revoke_asks_and_then_does_it(crm, sign_in):
    key = made(crm)
    client = sign_in(crm.manager)
    assert "Revoke…" in Page(client.get(page_of(key))).text
    assert "programs that sign in with it are refused" in Page(client.get(page_of(key, "revoke"))).text
    key.refresh_from_db()
    assert key.revoked_at is None
    response = client.post(page_of(key, "revoke"), REVOKE, headers={"HX-Request": "true"})
    assert response["HX-Redirect"] == LIST
    key.refresh_from_db()
    when = key.revoked_at
    assert when is not None
    assert "API key website revoked." in Page(client.get(LIST)).text
    assert "Revoke…" not in Page(client.get(page_of(key))).text
    client.post(page_of(key, "revoke"), REVOKE)
    key.refresh_from_db()
    assert key.revoked_at == when


def test_keys_are_revoked_not_deleted(crm, sign_in):
    key = made(crm)
    assert sign_in(crm.superuser).post(page_of(key, "delete"), {"post": "yes"}).status_code == 403
    data = {"action": "delete_selected", "_selected_action": [key.pk], "post": "yes"}
    assert sign_in(crm.superuser).post(LIST, data).status_code == 403
    assert ApiKey.objects.exists()


@pytest.mark.parametrize("view", ["change", "revoke", "history"])
def test_keys_of_other_accounts_are_missing(crm, sign_in, view):
    key = made(crm, user=crm.other_manager, account=crm.other)
    client = sign_in(crm.manager)
    for method in (client.get, client.post):
        answer = method(page_of(key, view), REVOKE | {"name": "X"})
        assert answer.status_code == method(f"{LIST}999999/{view}/", REVOKE).status_code == 404
    key.refresh_from_db()
    assert (key.name, key.revoked_at) == ("website", None)


def test_auditors_look_and_staff_do_not(crm, sign_in):
    key = made(crm)
    client = sign_in(crm.auditor)
    assert "website" in Page(client.get(LIST)).text
    assert "Revoke…" not in Page(client.get(page_of(key))).text
    for path in (ADD, page_of(key), page_of(key, "revoke")):
        assert client.post(path, REVOKE | {"name": "X", "scopes": ["leads:read"]}).status_code == 403
        assert sign_in(crm.staff).post(path, REVOKE).status_code == 403
        assert sign_in(crm.outsider).post(path, REVOKE).status_code == 302
    assert sign_in(crm.staff).get(LIST).status_code == 403
    key.refresh_from_db()
    assert (key.name, key.revoked_at) == ("website", None)
