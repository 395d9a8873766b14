"""The command on an inbound webhook's page, run by a shell as it stands: what it sends is taken as a test."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

import pytest
from django.test import Client

from leads.models import Lead
from tests.webhooks.inbound.conftest import MAPPING
from webhooks.inbound import secrets
from webhooks.inbound.address import address_of, example
from webhooks.models import InboundWebhook, Receipt

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not shutil.which("openssl"), reason="the commands sign by openssl"),
]

# Instead of the real one: what it was given, each argument after a NUL.
CURL = "curl() { for each; do printf '%s\\0' \"$each\"; done; }\n"


def sent(command: str, **variables: str) -> tuple[str, dict[str, str], str]:
    """Address, headers and body of the request that the command makes."""
    run = subprocess.run(
        ["sh", "-c", CURL + command], env=os.environ | variables, capture_output=True, text=True, check=True, timeout=10
    )
    _, method, address, *rest = run.stdout.split("\0")[:-1]
    assert method == "POST" and not run.stderr
    given = list(zip(rest[::2], rest[1::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in given if option == "-H")
    return address, headers, "".join(value for option, value in given if option == "--data-raw")


def post(command: str, **variables: str) -> Any:
    address, headers, body = sent(command, **variables)
    kind = headers.pop("Content-Type", "")
    return Client().generic("POST", "/in/" + address.rpartition("/in/")[2], body, content_type=kind, headers=headers)


def test_with_an_api_key(inbound, secret):
    inbound.mapping = [*MAPPING, {"field": "message", "path": "said/it's ~1 all"}, {"field": "tags", "path": "a/0/b=c"}]
    inbound.save()
    assert sent(example(inbound), KEY=secret)[0] == address_of(inbound)
    assert post(example(inbound), KEY=secret).json() == {"status": "success", "id": None, "action": "test"}
    assert '"it\'s / all": "Message"' in bytes(Receipt.objects.get().body).decode()
    assert post(example(inbound), KEY="lck_wrong").status_code == 401
    assert not Lead.objects.exists()


@pytest.mark.parametrize("typed", ["", "a secret of the sender's own, long"])
@pytest.mark.parametrize("verification", ["hmac", "standard", "jwt"])
def test_with_a_secret(account, verification, typed):
    fresh = typed or secrets.new(verification)
    inbound = InboundWebhook.objects.create(
        account=account, name="Portal", verification=verification, mapping=MAPPING, secret=fresh
    )
    assert post(example(inbound), SECRET=fresh).json() == {"status": "success", "id": None, "action": "test"}
    assert post(example(inbound), SECRET=typed[::-1] or secrets.new(verification)).status_code == 401
    assert fresh not in example(inbound)


def test_what_is_not_mapped_yet_has_an_example_too(account):
    inbound = InboundWebhook.objects.create(account=account, name="Portal", mapping=[{"field": "city", "path": "a//b"}])
    assert "olivia@example.com" in example(inbound)
