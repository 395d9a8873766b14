"""The address policy on its own; tests/data/ssrf_corpus.json is run through the whole door in test_send."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from webhooks.outbound import address
from webhooks.outbound.address import AddressPolicy, Blocked, Target, parse_url
from webhooks.wire.exchange import FailureKind

META = json.loads((Path(__file__).parents[2] / "data" / "ssrf_corpus.json").read_bytes())["meta"]


def test_the_lists_are_those_of_the_corpus() -> None:
    assert [str(network) for network in address.DENIED_V4] == META["deny_v4"]
    assert [str(network) for network in address.ALLOWED_V6] == META["allow_v6_only"]
    assert [str(network) for network in address.DENIED_V6] == META["deny_v6"]
    assert {str(one) for one in address.NEVER_ADDRESSES} | address.NEVER_NAMES == set(META["never_openable"])
    assert list(address.DENIED_SUFFIXES) == META["denied_suffixes"]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example.com", Target("https", "hooks.example.com", 443, "/", False)),
        ("HTTPS://Hooks.Example.COM./In?q=1", Target("https", "hooks.example.com", 443, "/In?q=1", False)),
        ("http://hooks.example.com:8080/", Target("http", "hooks.example.com", 8080, "/", False)),
        ("https://hooks.example.com:/", Target("https", "hooks.example.com", 443, "/", False)),
        ("https://[2606:4700:0::1111]/", Target("https", "2606:4700::1111", 443, "/", True)),
        ("https://8.8.8.8/a%20b", Target("https", "8.8.8.8", 443, "/a%20b", True)),
        ("https://xn--bcher-kva.example/", Target("https", "xn--bcher-kva.example", 443, "/", False)),
        ("http://my_service:9000/", Target("http", "my_service", 9000, "/", False)),
    ],
)
def test_a_url_is_taken_apart(url: str, target: Target) -> None:
    assert parse_url(url) == target


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("https://user:secret@hooks.example.com/", "custom header"),
        ("https://hooks.example.com/a b", "percent-encode"),
        ("https://hooks.example.com/100%", "percent-encode"),
        ("https://hooks.example.com/#x", "never sent"),
        ("ftp://hooks.example.com/", "https://"),
        ("hooks.example.com", "https://"),
        ("https://hooks.example.com:65536/", "65535"),
        ("https://010.0.0.1/", "four plain numbers"),
        ("https://[1.2.3.4]/", "IPv6"),
        ("https://xn--a.example/", "xn--"),
        ("https:///in", "cannot be read"),
    ],
)
def test_a_refusal_says_what_to_change(url: str, word: str) -> None:
    with pytest.raises(Blocked, match=word) as caught:
        parse_url(url)
    assert caught.value.kind == FailureKind.BLOCKED_URL
    assert "secret" not in str(caught.value)


@given(some.text() | some.text().map(lambda text: f"https://{text}") | some.from_regex(r"https?://[!-~]+/"))
def test_any_text_is_a_target_or_blocked(url: str) -> None:
    try:
        target = parse_url(url)
    except Blocked:
        return
    assert target.path.startswith("/")
    assert target.host.isascii()
    assert 0 < target.port < 65536


@pytest.mark.parametrize(
    "entry",
    [
        "garbage$^%",
        "45645632345",
        "",
        "n8n.lan",
        "192.168.1.20",
        "192.168.1.20/24",
        "n8n.lan:0",
        "n8n.lan:65536",
        "http://n8n.lan:80",
        "10.0.0.0/33",
        "*.lan:80",
        "[::1]",
        "[fe80::1%eth0]:80",
        "2130706433:80",
        "a/b",
    ],
)
def test_an_entry_that_cannot_be_read_stops_the_start(entry: str) -> None:
    with pytest.raises(ValueError, match="WEBHOOK_ALLOWLIST"):
        AddressPolicy.parse(["127.0.0.1:2000", entry])


def allowed(policy: AddressPolicy, url: str, *addresses: str) -> bool:
    target = parse_url(url)
    try:
        policy.check_target(target)
        policy.check_addresses(target, addresses or (target.host,))
    except Blocked:
        return False
    return True


def test_a_listed_host_and_port_opens_that_and_no_more() -> None:
    policy = AddressPolicy.parse(["N8N.lan.:81", "[::1]:2000"], require_https=True)
    assert allowed(policy, "http://n8n.lan:81/", "192.168.1.20")
    assert allowed(policy, "http://[::1]:2000/")
    assert not allowed(policy, "http://n8n.lan:82/", "192.168.1.20")
    assert not allowed(policy, "http://a.n8n.lan:81/", "192.168.1.20")
    assert not allowed(policy, "http://[::1]:2001/")


def test_a_listed_range_opens_addresses_and_not_internal_names_or_ports() -> None:
    policy = AddressPolicy.parse(["192.168.1.0/24"], require_https=True)
    assert allowed(policy, "https://hooks.example.com/", "192.168.1.20")
    assert allowed(policy, "http://192.168.1.20:9000/")
    assert not allowed(policy, "https://hooks.example.com/", "192.168.1.20", "192.168.2.20")
    assert not allowed(policy, "http://hooks.example.com/", "192.168.1.20", "93.184.216.34")
    assert not allowed(policy, "https://n8n.lan/", "192.168.1.20")
    assert not allowed(policy, "https://192.168.1.20:22/")


@pytest.mark.parametrize(
    "literal",
    [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[::169.254.169.254]",
        "[fd00:ec2::254]",
        "[2001:0:4136:e378:8000:63bf:5601:5601]",
    ],
)
def test_metadata_cannot_be_opened(literal: str) -> None:
    policy = AddressPolicy.parse(["0.0.0.0/0", "::/0", f"{literal}:80", "metadata.google.internal:80"])
    assert not allowed(policy, f"http://{literal}/")
    assert not allowed(policy, "http://metadata.google.internal/", "93.184.216.34")
    assert not allowed(policy, "https://hooks.example.com/", literal.strip("[]"))


def test_plain_http_is_allowed_unless_https_is_required() -> None:
    assert allowed(AddressPolicy(), "http://93.184.216.34/")
    assert not allowed(AddressPolicy(require_https=True), "http://93.184.216.34/")
