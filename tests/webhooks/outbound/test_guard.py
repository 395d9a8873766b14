"""tests/data/ssrf_corpus.json through every path by which a webhook comes about and is called.

Where the sockets were stands a recorder: what is looked up and dialled is written down, and nothing is reached. The
parts of the corpus that need an answer (redirects, certificates) are run against real servers in test_send.
"""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DataError, connection, transaction
from django.http import QueryDict

from leads.scope import Scope
from tests import factories
from tests.receiver import Answer, Receiver
from tests.webhooks.outbound.claims import hurry
from webhooks.admin.webhook_form import webhook_form
from webhooks.dialects import DIALECTS
from webhooks.models import Attempt, Delivery, Status, Webhook
from webhooks.outbound import deliver, replay, trial
from webhooks.outbound.address import AddressPolicy
from webhooks.outbound.selection import Selection
from webhooks.wire.exchange import Request

pytestmark = pytest.mark.django_db

DATA = json.loads((Path(__file__).parents[2] / "data" / "ssrf_corpus.json").read_bytes())
CASES: list[dict[str, Any]] = DATA["cases"]
PUBLIC = "93.184.216.34"
PROXY = "10.0.0.9"

IN_TEST_SEND = {
    "redirect": "an answer is needed: test_corpus_redirects, and below through Send Test and the engine",
    "tls": "certificates are needed: test_host_sni_and_certificate_go_by_the_name and the three after it",
}
AT_THE_START = {"allowlist_garbage": "the program does not start with it: test_settings"}
NO_ROW_OF_POSTGRESQL = {"raw_null", "very_long_url"}  # which counts characters and takes no U+0000
NOT_AT_SAVE = {"allowlist_cidr_mixed": "forms ask no name server: what a name leads to is judged at every try"}

HEADERS = [case for case in CASES if case["group"] == "header"]
REDIRECTS = [case for case in CASES if case["group"] == "redirect"]
CALLED = [
    case
    for case in CASES
    if case["group"] not in IN_TEST_SEND and case["group"] != "header" and case["case"] not in AT_THE_START
]
SAVED = [
    case for case in CASES if case["stage"] in ("save", "both") and case["case"] not in {**AT_THE_START, **NOT_AT_SAVE}
]


def named(case: dict[str, Any]) -> str:
    return str(case["case"])


class Wire:
    """The names that were looked up and the addresses that were dialled."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.sequence: list[list[str]] = case.get("resolved_sequence") or [case.get("resolved", [PUBLIC])]
        self.nothing_there = case.get("failure") == "dns_nxdomain"
        self.lookups: list[str] = []
        self.dialled: list[tuple[str, int]] = []

    def getaddrinfo(self, host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host == "smokescreen":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PROXY, port))]
        self.lookups.append(host)
        if self.nothing_there:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found = self.sequence[(len(self.lookups) - 1) % len(self.sequence)]
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found
        ]

    def connect(self, address: Any) -> None:
        self.dialled.append(address[:2])
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"refused by {address[0]}")


@pytest.fixture
def wire(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Wire]:
    """The case's own names, settings and environment, and the recorder."""
    wire = Wire(case)
    monkeypatch.setattr(socket, "getaddrinfo", wire.getaddrinfo)
    for way in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, way, lambda sock, address: wire.connect(address))
    for name, value in case.get("env", {}).items():
        monkeypatch.setenv(name, value)
    settings.WEBHOOK_ALLOWLIST = case.get("allowlist", [])
    settings.WEBHOOK_OWN_HOSTS = case.get("own_hosts", [])
    settings.WEBHOOK_OWN_ADDRESSES = case["resolved"] if case.get("policy") == "own_addresses" else []
    settings.WEBHOOK_EGRESS_PROXY = case.get("env", {}).get("WEBHOOK_EGRESS_PROXY", "")
    # With it on, the many cases by http would be refused for that alone.
    settings.WEBHOOK_REQUIRE_HTTPS = case.get("policy") == "require_https"
    deliver.door.cache_clear()
    yield wire
    deliver.door.cache_clear()


def loaded(folder: Path, url: str, headers: dict[str, str] | None = None) -> Webhook:
    """A webhook that no form has seen."""
    fields = {
        "account": factories.account().pk,
        "name": "Fixture",
        "url": url,
        "dialect": "leadpro",
        "events": list(DIALECTS["leadpro"].events),
        "secret": "s" * 43,
        "custom_headers": headers or {},
        "created_at": "2026-11-21T00:00:00Z",
    }
    file = folder / "webhooks.json"
    file.write_text(json.dumps([{"model": "webhooks.webhook", "pk": 1, "fields": fields}]))
    call_command("loaddata", str(file), verbosity=0)
    return Webhook.objects.get(pk=1)


def run_all() -> None:
    """Every try that a delivery has, as if the waits were over."""
    for _ in range(10):
        if not Delivery.objects.filter(status=Status.QUEUED).exists():
            return
        hurry()
        deliver.run(stop=lambda: None, linger=0.0)
    raise AssertionError("a delivery does not end")


def everything(webhook: Webhook) -> None:
    """Send Test, a first send with its retries, and a replay of what failed with its own."""
    trial.send_test(webhook)
    factories.lead()
    run_all()
    chosen = Selection(statuses=(Status.FAILURE,)).narrowed(through=replay.newest())
    replay.carry_out(chosen, again=False, expected=replay.plan(chosen).adds(False), user_id=None)
    run_all()


def is_listed(address: str) -> bool:
    """Whether the corpus forbids this address; written anew, so that it is no copy of the policy."""
    meta, parsed = DATA["meta"], ip_address(address)
    if parsed.version == 4:
        return any(parsed in ip_network(network) for network in meta["deny_v4"])
    allowed = any(parsed in ip_network(network) for network in meta["allow_v6_only"])
    return not allowed or any(parsed in ip_network(network) for network in meta["deny_v6"])


def test_every_case_is_run_somewhere() -> None:
    assert len(CASES) == DATA["meta"]["count"] == len({case["case"] for case in CASES})
    skipped = {case["case"] for case in CASES} - {case["case"] for case in (*CALLED, *HEADERS, *REDIRECTS)}
    assert skipped == {case["case"] for case in CASES if case["group"] == "tls"} | set(AT_THE_START)


@pytest.mark.parametrize("case", CALLED, ids=named)
def test_at_every_try(case: dict[str, Any], wire: Wire, tmp_path: Path) -> None:
    if case["case"] in NO_ROW_OF_POSTGRESQL and connection.vendor == "postgresql":
        with pytest.raises(DataError), transaction.atomic():
            loaded(tmp_path, case["url"])
        return
    everything(loaded(tmp_path, case["url"]))
    attempts = list(Attempt.objects.order_by("id"))
    replays = Delivery.objects.filter(replay_of__isnull=False).count()
    assert (len(attempts), replays) == (7, 1)
    assert len(wire.lookups) <= len(attempts)
    through_proxy = "WEBHOOK_EGRESS_PROXY" in case.get("env", {})
    if case["group"] == "rebinding":
        # Each try looks up once, and stands or falls with what it was told.
        told = [wire.sequence[number % len(wire.sequence)] for number in range(len(attempts))]
        assert len(wire.lookups) == len(attempts)
        assert [one.failure for one in attempts] == [
            "refused" if addresses == [PUBLIC] else "blocked_address" for addresses in told
        ]
        assert {address for address, _ in wire.dialled} <= {PUBLIC}
    elif case["expect"] == "allow":
        assert {one.failure for one in attempts} == {"refused"}
        expected = case.get("ip") or wire.sequence[0][0]
        assert {address for address, _ in wire.dialled} == {PROXY if through_proxy else expected}
    else:
        kinds = {"dns"} if case.get("failure") else {"blocked_address", "blocked_url"}
        assert {one.failure for one in attempts} <= kinds
        assert wire.dialled == []
    allowed = {*case.get("allowlist", []), *({PROXY} if through_proxy else ())}
    assert not [one for one, _ in wire.dialled if is_listed(one) and not allowed]
    unsaid = {address for found in wire.sequence for address in found if address not in case["url"]} | {PROXY}
    told_to_staff = " ".join([*(one.error for one in attempts), *Delivery.objects.values_list("error", flat=True)])
    assert not [address for address in unsaid if address in told_to_staff]


@pytest.mark.parametrize("case", [case for case in CASES if case["case"] == "rebind_alternating"], ids=named)
def test_over_a_thousand_tries_a_name_that_changes_each_time_leads_nowhere_else(
    case: dict[str, Any], wire: Wire, tmp_path: Path
) -> None:
    request = Request("POST", case["url"], (), b"{}")
    for _ in range(1000):
        deliver.door().send(request, deadline=5)
    assert len(wire.lookups) == 1000
    assert wire.dialled == [(PUBLIC, 443)] * 500


@pytest.mark.parametrize("case", REDIRECTS, ids=named)
def test_no_redirect_is_followed(case: dict[str, Any], tmp_path: Path, receiver: Receiver, settings: Any) -> None:
    place = (("Location", case["location"]),) if case["location"] else (("Refresh", "0;url=http://127.0.0.1/"),)
    receiver.always(Answer(case["response_status"], place))
    settings.WEBHOOK_ALLOWLIST = [receiver.authority]
    deliver.door.cache_clear()
    webhook = loaded(tmp_path, receiver.url)
    everything(webhook)
    deliver.door.cache_clear()
    outcome = Status.SUCCESS if case["expect"] == "allow" else Status.FAILURE
    assert set(Delivery.objects.values_list("status", flat=True)) == {outcome}
    attempts = list(Attempt.objects.all())
    # One request for each try, and none to anywhere else: the receiver is all that may be called.
    assert len(receiver.received) == len(attempts) == (2 if outcome == Status.SUCCESS else 7)
    assert {one.code for one in attempts} == {case["response_status"]}
    for one in attempts:
        kept = json.loads(one.response_headers)
        assert not [line for pair in kept for line in pair if "\r" in line or "\n" in line]


@pytest.mark.parametrize("case", HEADERS, ids=named)
def test_no_such_header_leaves(case: dict[str, Any], tmp_path: Path, receiver: Receiver, settings: Any) -> None:
    settings.WEBHOOK_ALLOWLIST = [receiver.authority]
    deliver.door.cache_clear()
    webhook = loaded(tmp_path, receiver.url, headers=case["headers"])
    Webhook.objects.update(send_webhook_headers=False)
    everything(webhook)
    deliver.door.cache_clear()
    for request in receiver.received:
        sent = {(name.lower(), value) for name, value in request.headers}
        wanted = {(name.lower(), value) for name, value in case["headers"].items()}
        if case["expect"] == "allow":
            assert ("x-api-key", "abc") in sent
        else:
            assert not wanted & sent
            assert b"X-Evil" not in request.head
    if case["expect"] == "allow":
        assert receiver.received


def test_the_settings_of_the_corpus_stop_the_start() -> None:
    for case in CASES:
        if case["case"] in AT_THE_START:
            with pytest.raises(ValueError, match="WEBHOOK_ALLOWLIST"):
                AddressPolicy.parse(case["allowlist"])


# The form


@pytest.mark.parametrize("require_https", [False, True], ids=["any", "https"])
@pytest.mark.parametrize("case", SAVED, ids=named)
def test_in_the_form(case: dict[str, Any], require_https: bool, wire: Wire, settings: Any) -> None:
    settings.WEBHOOK_REQUIRE_HTTPS = settings.WEBHOOK_REQUIRE_HTTPS or require_https
    deliver.door.cache_clear()
    typed = QueryDict(mutable=True)
    typed.update({"name": "Typed", "dialect": "leadpro", "url": case["url"], "leadpro__prefix": "Bearer"})
    typed.setlist("leadpro__events", list(DIALECTS["leadpro"].events))
    for name, value in case.get("headers", {}).items():
        typed.update({"headers.was": "", "headers.name": name, "headers.value": value})
    form = webhook_form(Scope(factories.account().pk, None))(typed)
    assert set(form.errors) == (set() if case["expect"] == "allow" else {"headers"} if "headers" in case else {"url"})
    assert wire.lookups == wire.dialled == []
