"""Whom a webhook may call: the one strict reading of a URL, and the one policy about names, ports and addresses.

Webhook URLs are typed by staff and called from inside the operator's network, so anything that is not plainly a public
receiver is refused, unless the operator's own allow list names it; this installation itself is refused as well. The
flags of `ipaddress` are no policy (is_private misses many special ranges), hence lists.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import idna

from webhooks.wire.exchange import FailureKind

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DENIED_V4 = {
    IPv4Network(network): what
    for network, what in (
        ("0.0.0.0/8", "this network, which reaches localhost on Linux"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "Azure's own services"),
        ("169.254.0.0/16", "link-local, where clouds keep their metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "IETF protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relays"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarks"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, broadcast"),
    )
}
ALLOWED_V6 = (IPv6Network("2000::/3"),)
"""Global unicast. Loopback, unique local, link-local, multicast, IPv4-mapped and NAT64 addresses all lie outside."""
DENIED_V6 = {
    IPv6Network(network): what
    for network, what in (
        ("2001::/23", "protocol assignments: Teredo, benchmarks, ORCHID"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4, with an IPv4 address of the sender's choice inside"),
        ("3fff::/20", "documentation"),
    )
}
NEVER_ADDRESSES = frozenset(
    ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, Google, Azure and others
        "169.254.170.2",  # AWS containers
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google
    )
)
"""Metadata services hand out credentials of the machine: no allow list opens them."""
NEVER_NAMES = frozenset({"metadata.google.internal", "metadata.goog"})
DENIED_SUFFIXES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "home.arpa",
    "lan",
    "home",
    "corp",
    "svc",
    "cluster.local",
    "onion",
    "test",
    "invalid",
)

DEFAULT_PORTS = {"http": 80, "https": 443}
LONGEST_URL = 2048
LONGEST_NAME = 253

_CHARACTERS = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
_URL = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{0,5}))?(/[^#]*)?", re.IGNORECASE)
_LISTED = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")

# IPv6 ranges whose last 32 bits are an IPv4 address: compatible, mapped, translated, NAT64.
_EMBEDDING = tuple(
    IPv6Network(network) for network in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)


class Blocked(Exception):
    """This may not be called. The message is for staff and never holds an address that a name leads to."""

    def __init__(self, kind: FailureKind, why: str) -> None:
        super().__init__(f"{kind.words}. {why}")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its parts, lower-cased and without a trailing dot; nothing else of the text is used to send."""

    scheme: str
    host: str
    """A name in ASCII, or an address in its canonical form (IPv6 without brackets)."""
    port: int
    path: str
    """With the query; begins with a slash."""
    literal: bool
    """Whether `host` is an address and needs no lookup."""


@lru_cache(maxsize=1024)
def parse_url(url: str) -> Target:
    """The parts of a webhook's URL. Raises Blocked (blocked_url), with words about what to change.

    Parsers disagree about odd URLs, and every disagreement is a way around the policy: what is odd is refused.
    """
    if len(url) > LONGEST_URL:
        raise _bad_url(f"It is longer than {LONGEST_URL} characters.")
    if not _CHARACTERS.fullmatch(url):
        raise _bad_url("It has a blank, a backslash or another character that URLs may not hold; percent-encode it.")
    if "#" in url:
        raise _bad_url("The part after # is never sent; leave it out.")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in DEFAULT_PORTS:
        raise _bad_url("It has to begin with https:// or http://.")
    if "@" in re.split(r"[/?]", rest, maxsplit=1)[0]:
        raise _bad_url("It has a user name or password; put credentials into a custom header.")
    match = _URL.fullmatch(url)
    if match is None:
        raise _bad_url("Its host or port cannot be read.")
    scheme = match[1].lower()
    host, literal = _host(match[2])
    port = int(match[3]) if match[3] else DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise _bad_url("Its port is not between 1 and 65535.")
    return Target(scheme, host, port, match[4] or "/", literal)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What may be called, from the operator's environment only.

    The two checks are asked at every try: before the name is looked up, and with what the lookup gave.
    """

    hosts: frozenset[tuple[str, int]] = frozenset()
    """Allow-listed (host, port), whatever address the host has."""
    networks: tuple[Network, ...] = ()
    """Allow-listed address ranges."""
    require_https: bool = False
    own_hosts: frozenset[str] = frozenset()
    """Names of this installation: never called, whatever the allow list says."""
    own_networks: tuple[Network, ...] = ()
    """Addresses of this installation: never called either."""
    site: tuple[str, int] | None = None
    """Where this installation is found; not called unless the allow list names it, as the test inbox needs it."""

    @classmethod
    def parse(
        cls,
        allow: Iterable[str],
        *,
        require_https: bool = False,
        own_hosts: Iterable[str] = (),
        own_addresses: Iterable[str] = (),
        site_url: str = "",
    ) -> "AddressPolicy":
        """From WEBHOOK_ALLOWLIST (each host:port or a CIDR range with a slash), WEBHOOK_OWN_HOSTS (names),
        WEBHOOK_OWN_ADDRESSES (addresses or CIDR ranges) and SITE_URL.

        Raises ValueError at the first entry that cannot be read: a list that is guessed at is none.
        """
        hosts: set[tuple[str, int]] = set()
        networks: list[Network] = []
        for entry in allow:
            with _reading("WEBHOOK_ALLOWLIST", entry) as text:
                if "/" in text:
                    networks.append(_network(text))
                else:
                    hosts.add(_host_and_port(text))
        names: set[str] = set()
        for entry in own_hosts:
            with _reading("WEBHOOK_OWN_HOSTS", entry) as text:
                names.add(_name(text))
        own: list[Network] = []
        for entry in own_addresses:
            with _reading("WEBHOOK_OWN_ADDRESSES", entry) as text:
                own.append(ip_network(text))
        site: tuple[str, int] | None = None
        if site_url:
            with _reading("SITE_URL", site_url) as text:
                target = parse_url(text)
            site = (target.host, target.port)
            if site in hosts or (target.literal and any(ip_address(target.host) in network for network in networks)):
                site = None
        return cls(frozenset(hosts), tuple(networks), require_https, frozenset(names), tuple(own), site)

    def check_target(self, target: Target) -> None:
        """Refuse by scheme, port and name, before anybody is asked for the name's addresses. Raises Blocked."""
        if target.host in NEVER_NAMES:
            raise _bad_address(target)
        if target.host in self.own_hosts or (target.host, target.port) == self.site:
            raise Blocked(
                FailureKind.BLOCKED_ADDRESS, f"{target.host} is this installation itself, which webhooks may not call."
            )
        if self.is_listed(target):
            return
        if self.require_https and target.scheme != "https" and not self.networks:
            raise _unencrypted()
        if target.port not in (80, 443) and target.port < 1024:
            raise _bad_url("Its port may be 80, 443, or 1024 and above.")
        if not target.literal and _is_internal(target.host):
            raise _bad_address(target)

    def check_addresses(self, target: Target, addresses: Sequence[str]) -> None:
        """Refuse if any one of the addresses is not allowed. Raises Blocked."""
        for address in addresses:
            if self.fault(target, address) is not None:
                raise _bad_address(target)
        # An allow-listed range may be called by http, but whether the name leads into one is only known now.
        plain = self.require_https and target.scheme != "https" and not self.is_listed(target)
        if plain and not all(self._in_networks(address) for address in addresses):
            raise _unencrypted()

    def fault(self, target: Target, address: str) -> str | None:
        """Why the target may not be called at this address, in words for the operator alone; None when it may."""
        carried = _carried(address)
        if not carried:
            return "not a plain address"
        if not NEVER_ADDRESSES.isdisjoint(carried):
            return "a metadata service, which no allow list opens"
        if self.own_networks and any(one in network for one in carried for network in self.own_networks):
            return "in WEBHOOK_OWN_ADDRESSES"
        special = _special(address)
        if special is None or self.is_listed(target) or self._in_networks(address):
            return None
        return special

    def is_listed(self, target: Target) -> bool:
        """Whether the allow list names this host and port."""
        return (target.host, target.port) in self.hosts

    def _in_networks(self, address: str) -> bool:
        parsed = _parsed(address)
        return any(parsed in network for network in self.networks)


def parse_proxy(text: str) -> Target | None:
    """The proxy of WEBHOOK_EGRESS_PROXY, http://host:port; None for the empty text. Raises ValueError."""
    if not text.strip():
        return None
    with _reading("WEBHOOK_EGRESS_PROXY", text) as url:
        # What parse_url says of another beginning would send people to https, which a proxy here does not speak.
        proxy = parse_url(url) if url.lower().startswith("http://") else None
        if proxy is None or proxy.path != "/":
            raise ValueError("it is written http://host:port")
        return proxy


@contextmanager
def _reading(setting: str, entry: str) -> Iterator[str]:
    """The entry without blanks around it; what cannot be read of it is a ValueError that names the setting."""
    text = entry.strip()
    try:
        yield text
    except (ValueError, Blocked) as error:
        raise ValueError(f"{setting}: cannot read {text!r}: {error}") from error


# Each try asks about its address, and most tries go to few of them.
_parsed = lru_cache(maxsize=1024)(ip_address)


_LISTABLE = "an entry is a host:port, such as n8n.lan:5678, or a network, such as 10.0.0.0/8 or 10.0.0.5/32"


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        # A network with an address of a host in it is told by its own words.
        raise ValueError(str(error) if "host bits" in str(error) else _LISTABLE) from None


def _host_and_port(text: str) -> tuple[str, int]:
    match = _LISTED.fullmatch(text)
    if match is None or not 0 < int(match[2]) < 65536:
        raise ValueError(_LISTABLE)
    return _host(match[1])[0], int(match[2])


def _name(text: str) -> str:
    name, literal = _host(text)
    if literal:
        raise ValueError("an address belongs into WEBHOOK_OWN_ADDRESSES")
    return name


def _host(text: str) -> tuple[str, bool]:
    """(canonical host, whether it is an address). Raises Blocked (blocked_url)."""
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1])), True
        except ValueError:
            raise _bad_url("What stands in brackets is no IPv6 address.") from None
    name = text.lower().removesuffix(".")
    try:
        return str(IPv4Address(name)), True
    except ValueError:
        pass
    labels = name.split(".")
    if len(name) > LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise _bad_url("Its host is not a valid name.")
    # 2130706433, 0x7f.1 and 010.0.0.1 are addresses to some resolvers: the last label of a name begins with a letter.
    if not labels[-1][0].isalpha():
        raise _bad_url("Its host is neither a name nor four plain numbers.")
    for label in labels:
        if label.startswith("xn--"):
            try:
                idna.ulabel(label)
            except (idna.IDNAError, UnicodeError):
                raise _bad_url("Its host holds an invalid xn-- label.") from None
    return name, False


def _is_internal(name: str) -> bool:
    return "." not in name or any(name == suffix or name.endswith(f".{suffix}") for suffix in DENIED_SUFFIXES)


@lru_cache(maxsize=4096)
def _special(text: str) -> str | None:
    """What kind of address this is, and of which range; None for a public one."""
    address = _read(text)
    denied: Iterable[tuple[Network, str]] = DENIED_V4.items()
    if isinstance(address, IPv6Address):
        if not any(address in network for network in ALLOWED_V6):
            return "not global unicast"
        denied = DENIED_V6.items()
    return next((f"{what}, {network}" for network, what in denied if address in network), None)


@lru_cache(maxsize=4096)
def _carried(text: str) -> tuple[Address, ...]:
    """The address and those that it carries, as IPv6 has many forms for an IPv4 address; empty for what is none."""
    address = _read(text)
    if address is None:
        return ()
    carried: list[Address | None] = [address]
    if isinstance(address, IPv6Address):
        carried += [address.sixtofour, *(address.teredo or ())]
        if any(address in network for network in _EMBEDDING):
            carried.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(one for one in carried if one is not None)


def _read(text: str) -> Address | None:
    """None for what is no address, or one with a zone: no receiver on the internet has one."""
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


def _bad_url(why: str) -> Blocked:
    return Blocked(FailureKind.BLOCKED_URL, why)


def _bad_address(target: Target) -> Blocked:
    return Blocked(FailureKind.BLOCKED_ADDRESS, f"Webhooks may not call {target.host}. Check the host in Webhook URL.")


def _unencrypted() -> Blocked:
    return _bad_url("http sends data unencrypted, and this installation requires https.")
