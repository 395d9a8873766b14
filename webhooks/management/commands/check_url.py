"""`manage.py check_url URL`: whether a webhook could be sent there and, if not, at which check it is refused and why.

For the operator: unlike what staff read, it tells the addresses that a name leads to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from webhooks import conf
from webhooks.outbound import deliver, send
from webhooks.outbound.address import AddressPolicy, Blocked, Target, parse_url
from webhooks.wire.exchange import FailureKind

# Of a URL that cannot be read, so much is repeated.
SHOWN = 200


class Command(BaseCommand):
    help = (
        "Tell whether webhooks may call a URL, and at which check they are refused: the URL as read, the rules about "
        "scheme, port and name, the name's addresses. Nothing is connected to. Ends with 0 if allowed, 1 if refused, "
        "also for a name that has no address now, with which a webhook may be saved."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", metavar="URL", help="as it stands in Webhook URL, in quotes")

    def handle(self, *args: Any, **options: Any) -> None:
        door = deliver.door()
        try:
            self._check(options["url"], door.policy)
        except Blocked as refusal:
            self._line("Refused", f"at {self._stage}: {refusal}")
            raise SystemExit(1) from None
        if door.proxy is not None:
            self._line(
                "Proxy", f"{conf.egress_proxy()} (WEBHOOK_EGRESS_PROXY), which may refuse it by rules of its own"
            )
        self._line("Allowed", "nothing was connected to, so that this is no proof that the receiver answers")

    def _check(self, url: str, policy: AddressPolicy) -> None:
        """Write down each check as it is passed. Raises Blocked at the first that is not, which is then `_stage`."""
        self._stage = "the URL as read"
        self._line("URL", repr(url[:SHOWN]) + ("…" if len(url) > SHOWN else ""))
        target = parse_url(url)
        self._line("Read as", f"{target.scheme}, host {target.host}, port {target.port}, path {target.path[:SHOWN]}")
        if policy.is_listed(target):
            self._line("Listed", f"WEBHOOK_ALLOWLIST names {_entry(target)}")
        if target.scheme != "https":
            required = "refused unless allow-listed: WEBHOOK_REQUIRE_HTTPS is on" if policy.require_https else "allowed"
            self._line("Http", f"sends data unencrypted; {required}")
        addresses: Sequence[str] = ()
        try:
            self._stage = "the rules"
            policy.check_target(target)
            self._line("Rules", "scheme, port and name are allowed")
            self._stage = "the addresses"
            addresses = self._addresses(target)
            for address in addresses:
                self._line("Address", f"{address}: {_standing(policy, target, address)}")
            policy.check_addresses(target, addresses)
        except Blocked as refusal:
            if refusal.kind is not FailureKind.DNS and _would_open(policy, target, addresses):
                self._line("Hint", f"{_entry(target)} in WEBHOOK_ALLOWLIST would open it")
            raise

    def _addresses(self, target: Target) -> Sequence[str]:
        if target.literal:
            return (target.host,)
        found: Sequence[str] = ()
        words = "no address"
        try:
            found = send.lookup(target.host, target.port)
        except OSError as error:
            words = error.strerror or words
        if not found:
            self._line("Lookup", f"{target.host}: {words}")
            raise Blocked(
                FailureKind.DNS,
                "The name servers give no address now. A webhook may be saved with it; its deliveries would be tried "
                "again.",
            )
        self._line("Lookup", f"{target.host} has {len(found)} address{'' if len(found) == 1 else 'es'}")
        return found

    def _line(self, what: str, words: str) -> None:
        self.stdout.write(f"{what:<9}{words}")


def _standing(policy: AddressPolicy, target: Target, address: str) -> str:
    fault = policy.fault(target, address)
    if fault is not None:
        return f"refused ({fault})"
    networks = [str(network) for network in policy.networks if ip_address(address) in network]
    return f"allowed ({networks[0]} in WEBHOOK_ALLOWLIST)" if networks else "allowed"


def _entry(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{host}:{target.port}"


def _would_open(policy: AddressPolicy, target: Target, addresses: Sequence[str]) -> bool:
    """Whether an entry for this very target would change the verdict, as far as it is known."""
    wider = replace(policy, hosts=policy.hosts | {(target.host, target.port)}, site=None)
    try:
        wider.check_target(target)
        wider.check_addresses(target, addresses or ([target.host] if target.literal else []))
    except Blocked:
        return False
    return True
