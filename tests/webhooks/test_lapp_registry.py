"""How Lapps are registered: bad ones fail loudly, at start-up."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.program import Program
from webhooks import lapp
from webhooks.models import Delivery, Webhook


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(lapp, "_registered", dict(lapp._registered))


def tidy(body: Any, query: Any, call: Any) -> None:
    pass


def register(function: Any = tidy, **changes: Any) -> Any:
    return lapp.lapp(**{"label": "Tidy up", "description": "Tidies up."} | changes)(function)


def test_a_function_is_known_by_its_name_and_stays_a_function():
    assert register() is tidy
    assert (lapp.named("tidy").function, lapp.named("tidy").label) == (tidy, "Tidy up")
    register(name="tidy_again")
    assert lapp.named("tidy_again").function is tidy
    assert [each.label for each in lapp.registered()] == sorted(each.label for each in lapp.registered())


async def later(body: Any, query: Any, call: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("function", "changes", "why"),
    [
        *((tidy, {"name": name}, "its name has to begin") for name in ("Tidy", "2tidy", "tidy up", "a" * 51, "tidy\n")),
        (lambda body, query, call: None, {}, "its name has to begin"),
        (tidy, {"label": " "}, "it needs a label"),
        (tidy, {"label": "x" * 61}, "it needs a label"),
        (tidy, {"description": ""}, "and a description"),
        (lambda body: None, {"name": "tidy"}, "three arguments"),
        (lambda body, query, call, more: None, {"name": "tidy"}, "three arguments"),
        (later, {}, "may not be async"),
    ],
)
def test_a_bad_one_is_refused_by_name(function, changes, why):
    before = lapp.registered()
    with pytest.raises(ImproperlyConfigured, match=why) as refusal:
        register(function, **changes)
    assert __name__ in str(refusal.value)
    assert lapp.registered() == before


def test_a_name_is_registered_once():
    register()
    with pytest.raises(ImproperlyConfigured, match=f"{__name__} has registered that name already"):
        register()
    with pytest.raises(ImproperlyConfigured, match=r"webhooks\.lapps has registered that name already"):
        register(name="follow_up")


def test_a_name_outlives_its_function():
    assert lapp.label("bygone") == "bygone"
    with pytest.raises(lapp.UnknownLapp, match="No Lapp is called bygone here"):
        lapp.named("bygone")


def test_names_and_ids_fit_where_they_are_stored():
    assert Webhook._meta.get_field("lapp").max_length == 50
    assert lapp.LappCall._meta.pk.max_length == Delivery._meta.get_field("message_id").max_length


@pytest.mark.slow
def test_those_of_an_installed_app_are_found_and_a_bad_one_stops_the_start(program_of):
    names = "from webhooks import lapp; print(*sorted(each.name for each in lapp.registered()))"
    shell = ("shell", "--no-imports", "-c", names)
    assert "echo" in program_of("tests.lapps.program_settings").manage(*shell).split()
    assert program_of("leadcrm.settings").manage(*shell).split() == ["follow_up"]
    with pytest.raises(AssertionError, match=r"ImproperlyConfigured: Lapp 'echo' of tests\.lapps\.twice\.lapps"):
        program_of("tests.lapps.twice.settings").manage(*shell)


@pytest.fixture
def program_of(tmp_path):
    return lambda settings: Program(tmp_path, f"sqlite:///{tmp_path}/none.sqlite3", DJANGO_SETTINGS_MODULE=settings)
