"""The address policy on its own; tests/data/ssrf_corpus.json is run through the whole door in test_send."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from webhooks.outbound import address
from webhooks.outbound.address import AddressPolicy, Blocked, Target, parse_proxy, parse_url
from webhooks.wire.exchange import FailureKind

PUBLIC = "93.184.216.34"
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


def test_this_installation_is_never_called_whatever_the_list_says() -> None:
    policy = AddressPolicy.parse(
        ["crm.example.org:443", "crm.example.org:8080", "198.41.0.0/24"],
        own_hosts=["CRM.example.org."],
        own_addresses=["198.41.0.4", "2606:4700::/64"],
    )
    assert not allowed(policy, "https://crm.example.org/webhooks/in/abc/", "93.184.216.34")
    assert not allowed(policy, "https://crm.example.org:8080/", "93.184.216.34")
    assert allowed(policy, "https://a.crm.example.org/", "93.184.216.34")
    assert not allowed(policy, "https://hooks.example.com/", "93.184.216.34", "198.41.0.4")
    assert not allowed(policy, "https://198.41.0.4/")
    assert not allowed(policy, "https://[2606:4700::1]/")
    assert allowed(policy, "https://198.41.0.5/")


def test_an_address_of_ours_is_found_in_the_forms_of_ipv6() -> None:
    policy = AddressPolicy.parse(["::/0"], own_addresses=["198.41.0.4"])
    assert allowed(policy, "https://[::ffff:198.41.0.5]/")
    assert not allowed(policy, "https://[::ffff:198.41.0.4]/")
    assert not allowed(policy, "https://[2002:c629:4::1]/")


@pytest.mark.parametrize(
    ("site", "allow", "url", "expected"),
    [
        ("https://crm.example.com", [], "https://crm.example.com/inbox/1/", False),
        ("https://crm.example.com", [], "https://CRM.example.com.:443/", False),
        ("https://crm.example.com", [], "https://crm.example.com:5678/hook", True),
        ("https://crm.example.com", ["crm.example.com:443"], "https://crm.example.com/inbox/1/", True),
        ("http://127.0.0.1:8000", ["127.0.0.1:8000"], "http://127.0.0.1:8000/inbox/1/", True),
        ("http://127.0.0.1:8000", ["127.0.0.0/8"], "http://127.0.0.1:8000/inbox/1/", True),
        ("http://127.0.0.1:8000", ["127.0.0.1:9000"], "http://127.0.0.1:8000/inbox/1/", False),
        ("http://[::1]:8000", ["[::1]:8000"], "http://[::1]:8000/inbox/1/", True),
    ],
)
def test_where_we_are_found_is_not_called_unless_it_is_listed(
    site: str, allow: list[str], url: str, expected: bool
) -> None:
    """The test inbox of the demo is at our own address, which `make run` lists."""
    policy = AddressPolicy.parse(allow, site_url=site)
    assert allowed(policy, url, "127.0.0.1" if "127.0.0.1" in url else "::1" if "::1" in url else PUBLIC) == expected


@pytest.mark.parametrize(
    ("setting", "options", "words"),
    [
        ("WEBHOOK_OWN_HOSTS", {"own_hosts": ["crm.example.com:443"]}, "not a valid name"),
        ("WEBHOOK_OWN_HOSTS", {"own_hosts": ["https://crm.example.com"]}, "not a valid name"),
        ("WEBHOOK_OWN_HOSTS", {"own_hosts": ["198.41.0.4"]}, "belongs into WEBHOOK_OWN_ADDRESSES"),
        ("WEBHOOK_OWN_HOSTS", {"own_hosts": ["*.example.com"]}, "not a valid name"),
        ("WEBHOOK_OWN_ADDRESSES", {"own_addresses": ["crm.example.com"]}, "does not appear to be"),
        ("WEBHOOK_OWN_ADDRESSES", {"own_addresses": ["198.41.0.4/24"]}, "host bits"),
        ("SITE_URL", {"site_url": "crm.example.com"}, "begin with https://"),
    ],
)
def test_what_cannot_be_read_names_its_setting(setting: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"^{setting}: cannot read .*{words}"):
        AddressPolicy.parse([], **options)


def test_a_proxy_is_a_host_and_a_port() -> None:
    assert parse_proxy("") is None
    assert parse_proxy(" http://smokescreen:4750 ") == Target("http", "smokescreen", 4750, "/", False)


@pytest.mark.parametrize(
    "text",
    ["smokescreen:4750", "https://smokescreen:4750", "http://user:pass@proxy:3128", "http://proxy/path", "http://"],
)
def test_what_is_no_proxy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^WEBHOOK_EGRESS_PROXY: cannot read "):
        parse_proxy(text)


def test_the_operator_is_told_why() -> None:
    policy = AddressPolicy.parse(["192.168.1.0/24"], own_addresses=["198.41.0.4"])
    target = parse_url("https://hooks.example.com/")
    assert policy.fault(target, PUBLIC) is None
    assert policy.fault(target, "192.168.1.20") is None
    assert policy.fault(target, "10.0.0.5") == "private, 10.0.0.0/8"
    assert policy.fault(target, "fe80::1") == "not global unicast"
    assert policy.fault(target, "2001:db8::1") == "documentation, 2001:db8::/32"
    assert policy.fault(target, "198.41.0.4") == "in WEBHOOK_OWN_ADDRESSES"
    assert policy.fault(target, "169.254.169.254") == "a metadata service, which no allow list opens"
    assert policy.fault(target, "fe80::1%eth0") == "not a plain address"


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
