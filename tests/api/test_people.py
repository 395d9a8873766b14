"""Users and leaves in the API: what may be changed of whom, and what is told."""

from __future__ import annotations

from typing import Any

import pytest

from leads import roles
from leads.models import Leave, Membership, User
from tests.api.conftest import KeyClient, World, check_shape, counts, key_of, member
from webhooks.models import Event

USERS, LEAVES = "/api/v1/users", "/api/v1/leaves"


def told(record: str = "user") -> list[str]:
    return list(Event.objects.filter(record=record).order_by("pk").values_list("type", flat=True))


@pytest.fixture
def ada(world: World) -> User:
    return member("ada", world.account, roles.STAFF, world.a, first_name="Ada", last_name="King")


class TestUsers:
    @pytest.mark.parametrize(
        "sent, types",
        [
            ({"availability": "busy"}, ["user.availability_changed", "user.updated"]),
            ({"is_active": False}, ["user.activation_changed", "user.updated"]),
            ({"first_name": " Augusta ", "phone": "07123"}, ["user.updated"]),
            ({"time_zone": "Europe/London"}, ["user.updated"]),
            ({"first_name": "Ada", "name": "Nobody", "email": "else@example.com", "id": 5}, []),
        ],
    )
    def test_what_may_be_changed_is_told(self, manager: KeyClient, ada: User, sent: dict[str, Any], types: list[str]):
        Event.objects.all().delete()
        path = f"{USERS}/{ada.pk}"
        before = manager.get(path).json()
        answer = manager.send("PATCH", path, sent)
        assert answer.status_code == 200, answer.content
        assert manager.get(path).json() == answer.json()
        if types:
            assert {key: value.strip() if isinstance(value, str) else value for key, value in sent.items()}.items() <= (
                answer.json().items()
            )
        else:
            assert answer.json() == before
        assert told() == types
        assert {event.actor_kind for event in Event.objects.all()} <= {"api_key"}

    def test_an_inactive_person_is_made_active_again(self, manager: KeyClient, ada: User):
        path = f"{USERS}/{ada.pk}"
        assert manager.send("PATCH", path, {"is_active": False}).json()["is_active"] is False
        assert manager.send("PATCH", path, {"is_active": True}).json()["is_active"] is True

    @pytest.mark.parametrize(
        "sent, field, rule",
        [
            ({"time_zone": "Europe/Atlantis"}, "time_zone", "time_zone"),
            ({"time_zone": "../../etc/passwd"}, "time_zone", "time_zone"),
            ({"availability": "asleep"}, "availability", "choice"),
            ({"is_active": "no"}, "is_active", "boolean"),
            ({"first_name": "x" * 151}, "first_name", "length"),
            ({"phone": "a\x01b"}, "phone", "control_characters"),
            ({"roles": ["Manager"]}, "roles", "unknown"),
            ({"groups": [1]}, "groups", "unknown"),
            ({"is_superuser": True}, "is_superuser", "unknown"),
            ({"is_staff": True}, "is_staff", "unknown"),
            ({"password": "a new password"}, "password", "unknown"),
            ({"username": "else"}, "username", "unknown"),
            ({"account_id": 2}, "account_id", "unknown"),
        ],
    )
    def test_all_else_is_refused(self, manager: KeyClient, ada: User, sent: dict[str, Any], field: str, rule: str):
        row, before = User.objects.filter(pk=ada.pk).values().get(), counts()
        body = check_shape(manager.send("PATCH", f"{USERS}/{ada.pk}", sent), 400, "invalid", fields=[field])
        assert body["errors"][0]["rule"] == rule
        assert (User.objects.filter(pk=ada.pk).values().get(), counts()) == (row, before)

    def test_nobody_makes_themself_or_the_last_manager_inactive(self, manager: KeyClient, world: World):
        own = f"{USERS}/{manager.key.user_id}"
        body = check_shape(manager.send("PATCH", own, {"is_active": False}), 400, "invalid", fields=["is_active"])
        assert body["errors"][0]["rule"] == "own"
        clerk = member("clerk", world.account, None)
        clerk.user_permissions.set(manager.key.user.groups.get().permissions.all())
        keeper = key_of(clerk, world.account)
        # Sees single offices, and may change people all the same.
        body = check_shape(keeper.send("PATCH", own, {"is_active": False}), 400, "invalid", fields=["is_active"])
        assert body["errors"][0]["rule"] == "last_manager"
        member("second", world.account, roles.MANAGER)
        assert keeper.send("PATCH", own, {"is_active": False}).status_code == 200

    def test_nobody_changes_somebody_with_more_rights(self, manager: KeyClient, world: World):
        root = world.client("superuser").key.user
        Membership.objects.create(user=root, account=world.account)
        before = counts()
        check_shape(manager.send("PATCH", f"{USERS}/{root.pk}", {"availability": "away"}), 403, "forbidden")
        assert counts() == before

    def test_reading_needs_no_right_to_write(self, world: World, ada: User):
        auditor = world.client("auditor")
        assert auditor.get(f"{USERS}/{ada.pk}").status_code == 200
        check_shape(auditor.send("PATCH", f"{USERS}/{ada.pk}", {"availability": "away"}), 403, "forbidden")


class TestLeaves:
    def test_a_leave_is_made_changed_and_deleted(self, manager: KeyClient, world: World, ada: User):
        sent = {"user_id": ada.pk, "starts_on": "2026-12-21", "ends_on": "2026-12-24", "reason": " Holiday "}
        response = manager.send("POST", LEAVES, sent)
        assert response.status_code == 201, response.content
        body = response.json()
        assert body | sent | {"reason": "Holiday", "user": "ada@example.com", "user_name": "Ada King"} == body
        path = f"{LEAVES}/{body['id']}"
        assert manager.get(path).json() == manager.send("PATCH", path, body).json() == body
        assert manager.send("PATCH", path, {"ends_on": "2026-12-27"}).json()["ends_on"] == "2026-12-27"
        assert manager.delete(path).status_code == 204
        assert told("leave") == ["leave.created", "leave.updated", "leave.deleted"]

    @pytest.mark.parametrize(
        "sent, field, rule",
        [
            ({"user_id": None}, "user_id", "required"),
            ({"user_id": 10**9}, "user_id", "reference"),
            ({"starts_on": None}, "starts_on", "required"),
            ({"starts_on": "2027-02-30"}, "starts_on", "date"),
            ({"starts_on": "2027-03-01T09:00:00Z"}, "starts_on", "date"),
            ({"ends_on": "2027-02-28"}, "ends_on", "order"),
            ({"starts_on": "2026-12-22", "ends_on": "2026-12-22"}, "starts_on", "overlap"),
            ({"starts_on": "2026-12-01", "ends_on": "2027-01-31"}, "starts_on", "overlap"),
            ({"starts_on": "2026-12-24", "ends_on": "2026-12-30"}, "starts_on", "overlap"),
            ({"reason": "x" * 201}, "reason", "length"),
            ({"days": 3}, "days", "unknown"),
        ],
    )
    def test_what_is_wrong_is_refused(
        self, manager: KeyClient, world: World, ada: User, sent: dict[str, Any], field: str, rule: str
    ):
        stored = Leave.objects.create(account=world.account, user=ada, starts_on="2026-12-21", ends_on="2026-12-24")
        other = Leave.objects.create(account=world.account, user=ada, starts_on="2027-03-01", ends_on="2027-03-05")
        whole = {"user_id": ada.pk, "starts_on": "2027-03-01", "ends_on": "2027-03-05"} | sent
        if rule != "overlap":
            stored.delete()
            whole |= {"user_id": manager.key.user_id} if "user_id" not in sent else {}
        before, rows = counts(), list(Leave.objects.values())
        for method, path in (("POST", LEAVES), ("PATCH", f"{LEAVES}/{other.pk}")):
            body = check_shape(manager.send(method, path, whole), 400, "invalid", fields=[field])
            assert body["errors"][0]["rule"] == rule
        assert (counts(), list(Leave.objects.values())) == (before, rows)

    def test_days_beside_each_other_and_of_others_do_not_meet(self, manager: KeyClient, world: World, ada: User):
        for user_id, first, last in (
            (ada.pk, "2026-12-21", "2026-12-24"),
            (ada.pk, "2026-12-25", "2026-12-25"),
            (ada.pk, "2026-12-20", "2026-12-20"),
            (manager.key.user_id, "2026-12-21", "2026-12-24"),
        ):
            sent = {"user_id": user_id, "starts_on": first, "ends_on": last}
            assert manager.send("POST", LEAVES, sent).status_code == 201

    def test_people_of_other_accounts_and_inactive_ones_get_none(self, manager: KeyClient, world: World, ada: User):
        left = member("left", world.account, roles.STAFF, world.a, is_active=False)
        for user_id in (world.client("stranger").key.user_id, left.pk):
            sent = {"user_id": user_id, "starts_on": "2026-12-21", "ends_on": "2026-12-24"}
            check_shape(manager.send("POST", LEAVES, sent), 400, "invalid", fields=["user_id"])
        assert not Leave.objects.exists()
