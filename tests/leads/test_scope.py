"""Who sees and writes which records."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import ValidationError

from leads import roles
from leads.models import Account, ApiKey, Campaign, Company, Lead, LeadList, Membership, Office, User
from leads.scope import Scope, is_manager, managers
from tests import factories

pytestmark = pytest.mark.django_db


def user(name: str, role: str = "", account: Account | None = None, *offices: Office, **values: Any) -> User:
    made = User.objects.create_user(name, **values)
    if role:
        made.groups.add(Group.objects.get(name=role))
    if account is not None:
        Membership.objects.create(user=made, account=account).offices.set(offices)
    return made


@pytest.fixture
def world() -> dict[str, Any]:
    north, harbour = factories.account(), factories.account("Harbour Lets")
    leeds, york = factories.office("Leeds Central"), factories.office("York Minster Gate")
    whitby = factories.office("Whitby Quayside", account=harbour)
    return {
        "north": north,
        "harbour": harbour,
        "leeds": leeds,
        "york": york,
        "whitby": whitby,
        "in_leeds": factories.lead(office=leeds),
        "in_york": factories.lead(office=york),
        "nowhere": factories.lead(),
        "in_whitby": factories.lead(account=harbour, office=whitby),
    }


def names(world: dict[str, Any], rows: Any) -> set[str]:
    return {name for name, value in world.items() if value in set(rows)}


def test_staff_see_their_offices(world):
    scope = Scope.of(user("staff", roles.STAFF, world["north"], world["leeds"]))
    assert names(world, scope.leads()) == {"in_leeds"}
    assert names(world, scope.offices()) == {"leeds"}
    assert names(world, scope.accounts()) == {"north"}
    assert [*scope.users()] == []
    assert not scope.whole_account


@pytest.mark.parametrize("role", [roles.MANAGER, roles.AUDITOR])
def test_managers_and_auditors_see_their_account(world, role):
    manager = user("manager", role, world["north"])
    user("stranger", roles.STAFF, world["harbour"])
    scope = Scope.of(manager)
    assert names(world, scope.leads()) == {"in_leeds", "in_york", "nowhere"}
    assert names(world, scope.offices()) == {"leeds", "york"}
    assert [*scope.users()] == [manager]
    assert scope.whole_account
    assert not scope.every_account


def test_superusers_see_everything(world):
    scope = Scope.of(user("root", is_superuser=True))
    assert names(world, scope.leads()) == {"in_leeds", "in_york", "nowhere", "in_whitby"}
    assert names(world, scope.accounts()) == {"north", "harbour"}
    assert scope.every_account


def test_somebody_of_no_account_and_somebody_inactive_see_nothing(world):
    nobodies = [user("alone", roles.MANAGER), user("gone", roles.MANAGER, world["north"], is_active=False)]
    for scope in map(Scope.of, [*nobodies, AnonymousUser()]):
        assert not scope.leads().exists()
        assert not scope.offices().exists()
        assert not scope.accounts().exists()
        assert not scope.users().exists()


def test_an_office_of_another_account_gives_nothing(world):
    scope = Scope.of(user("staff", roles.STAFF, world["north"], world["whitby"]))
    assert not scope.leads().exists()
    assert not scope.offices().exists()


def test_a_key_reaches_no_further_than_its_account_and_its_maker(world):
    root = user("root", is_superuser=True)
    key = ApiKey(account=world["harbour"], user=root, name="k")
    assert names(world, Scope.of(root, key).leads()) == {"in_whitby"}
    manager = user("manager", roles.MANAGER, world["north"])
    assert not Scope.of(manager, ApiKey(account=world["harbour"], user=manager)).leads().exists()
    assert Scope.of(manager, ApiKey(account=world["north"], user=manager)).leads().count() == 3


def rules(scope: Scope, world: dict[str, Any], values: Any, before: Any = None, lead: Lead | None = None) -> list[Any]:
    found = scope.judge(world["north"].pk, values, before, lead.pk if lead else None)
    return [(violation.field, violation.rule) for violation in found]


def test_the_office_of_a_lead_is_one_of_the_writers(world):
    staff = Scope.of(user("staff", roles.STAFF, world["north"], world["leeds"]))
    manager = Scope.of(user("manager", roles.MANAGER, world["north"]))
    leeds, york, whitby = (world[name].pk for name in ("leeds", "york", "whitby"))
    assert rules(staff, world, {"office_id": leeds}) == []
    assert rules(staff, world, {"office_id": None}) == [("office_id", "office_required")]
    assert rules(staff, world, {"office_id": york}) == [("office_id", "reference")]
    assert rules(manager, world, {"office_id": None}) == []
    assert rules(manager, world, {"office_id": york}) == []
    for office_id in (whitby, 999999, 10**30, "1", True):
        assert rules(manager, world, {"office_id": office_id}) == [("office_id", "reference")], office_id


def test_the_parent_of_a_lead_is_in_reach_and_makes_no_ring(world):
    staff = Scope.of(user("staff", roles.STAFF, world["north"], world["leeds"]))
    here = {"office_id": world["leeds"].pk}
    lead = world["in_leeds"]
    child = factories.lead(office=world["leeds"], parent_id=lead.pk)
    grandchild = factories.lead(office=world["leeds"], parent_id=child.pk)
    assert rules(staff, world, here | {"parent_id": lead.pk}) == []
    for name in ("in_york", "nowhere", "in_whitby"):
        assert rules(staff, world, here | {"parent_id": world[name].pk}) == [("parent_id", "reference")]
    for parent in (lead, child, grandchild):
        assert rules(staff, world, here | {"parent_id": parent.pk}, {}, lead) == [("parent_id", "cycle")]


def test_the_owner_of_a_lead_is_an_active_person_of_its_account(world):
    north, harbour = world["north"], world["harbour"]
    manager = user("manager", roles.MANAGER, north)
    colleague = user("colleague", roles.STAFF, north, world["york"])
    away = user("away", roles.STAFF, north, is_active=False)
    elsewhere, root = user("elsewhere", roles.STAFF, harbour), user("root", is_superuser=True)
    staff = user("staff", roles.STAFF, north, world["leeds"])
    here = {"office_id": world["leeds"].pk}
    for writer in (staff, manager, root):
        scope = Scope.of(writer)
        assert set(scope.choosable_owners(north.pk)) == {manager, colleague, staff}
        assert rules(scope, world, here | {"owner_id": colleague.pk}) == []
        assert rules(scope, world, here | {"owner_id": None}, {"owner_id": away.pk, **here}) == []
        for owner_id in (away.pk, elsewhere.pk, root.pk, 999999, str(colleague.pk), True):
            assert rules(scope, world, here | {"owner_id": owner_id}) == [("owner_id", "reference")], owner_id
    assert not Scope.of(elsewhere).choosable_owners(north.pk).exists()


def test_the_company_of_a_lead_is_one_of_its_account(world):
    ours, theirs = (Company.objects.create(account=world[name], name="Hartley") for name in ("north", "harbour"))
    here = {"office_id": world["leeds"].pk}
    staff = user("staff", roles.STAFF, world["north"], world["leeds"])
    for writer in (staff, user("root", is_superuser=True)):
        scope = Scope.of(writer)
        assert rules(scope, world, here | {"company_id": ours.pk}) == []
        assert rules(scope, world, here | {"company_id": None}, {"company_id": ours.pk, **here}) == []
        for company_id in (theirs.pk, 999999, str(ours.pk), True):
            assert rules(scope, world, here | {"company_id": company_id}) == [("company_id", "reference")], company_id


def test_no_write_links_a_lead_to_a_company_of_another_account(world):
    lead, theirs = world["in_leeds"], Company.objects.create(account=world["harbour"], name="Hartley")
    lead.company = theirs
    with pytest.raises(ValidationError, match="must be a company of the account"):
        lead.save()
    with pytest.raises(ValidationError, match="must be a company of the account"):
        Lead.objects.filter(pk=lead.pk).update(company=theirs)
    with pytest.raises(ValidationError, match="must be a company of the account"):
        factories.lead(office=world["leeds"], company_id=theirs.pk)
    lead.refresh_from_db()
    assert lead.company is None
    assert not Lead.objects.filter(company=theirs).exists()


def test_lists_and_campaigns_are_there_before_a_lead_gets_them(world):
    manager = Scope.of(user("manager", roles.MANAGER, world["north"]))
    for name in ("Newsletter", "Grüße"):
        LeadList.objects.create(account=world["north"], name=name)
    LeadList.objects.create(account=world["harbour"], name="Landlords")
    Campaign.objects.create(account=world["north"], name="Spring 2026")
    assert (
        rules(manager, world, {"lists": ["newsletter", "GRÜSSE"], "campaigns": [" Spring 2026 "], "tags": ["anew"]})
        == []
    )
    assert rules(manager, world, {"lists": ["Newsletter", "Landlords"]}) == [("lists", "reference")]
    assert rules(manager, world, {"campaigns": ["Newsletter"]}) == [("campaigns", "reference")]
    (told,) = manager.judge(world["north"].pk, {"lists": ["Newsletter", "Landlords"]})
    assert told.message == "must be lists that the account has, not Landlords"


@pytest.mark.parametrize(
    "value",
    [
        "Newsletter",
        [7, None, ""],
        ["x" * 101],
        7,
        {"a": 1},
        ["a\x00"],
        ["\ud800"],
        [f"{number}" for number in range(300_000)],
    ],
    ids=lambda value: str(value)[:8].encode("ascii", "replace").decode(),
)
def test_labels_that_are_no_names_are_left_to_the_value_rules(world, value):
    assert Scope.of(user("manager", roles.MANAGER, world["north"])).judge(world["north"].pk, {"lists": value}) == []


def test_a_reference_that_is_left_alone_is_not_judged(world):
    staff = Scope.of(user("staff", roles.STAFF, world["north"], world["leeds"]))
    elsewhere = user("elsewhere", roles.STAFF, world["harbour"])
    kept = {"office_id": world["york"].pk, "parent_id": world["in_york"].pk, "owner_id": elsewhere.pk}
    kept |= {"lists": ["Gone"], "campaigns": ["Gone too"]}
    assert rules(staff, world, kept, kept, world["in_leeds"]) == []


def test_a_ring_that_is_there_already_ends_the_search(world):
    first, second = world["in_leeds"], world["in_york"]
    Lead.plain("default").filter(pk=first.pk).update(parent=second)
    Lead.plain("default").filter(pk=second.pk).update(parent=first)
    manager = Scope.of(user("manager", roles.MANAGER, world["north"]))
    assert rules(manager, world, {"parent_id": first.pk}, {}, world["nowhere"]) == []


def test_a_manager_is_an_active_user_of_the_group_and_the_account(world):
    north, harbour = world["north"], world["harbour"]
    manager = user("manager", roles.MANAGER, north)
    user("staff", roles.STAFF, north)
    user("away", roles.MANAGER, north, is_active=False)
    elsewhere = user("elsewhere", roles.MANAGER, harbour)
    assert [*managers(north.pk)] == [manager]
    assert [is_manager(manager, account.pk) for account in (north, harbour)] == [True, False]
    assert [is_manager(elsewhere, account.pk) for account in (north, harbour)] == [False, True]
    assert not is_manager(User.objects.get(username="away"), north.pk)
    assert not is_manager(user("root", is_superuser=True), north.pk)
