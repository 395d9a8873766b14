"""The receiver that docs/receiving.md shows, run as it stands there: it takes what we send, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import factories
from tests.program import ROOT
from webhooks.models import Delivery, Webhook
from webhooks.outbound import deliver

pytestmark = pytest.mark.django_db

SECRET = "s" * 43


@dataclass
class Documented:
    process: subprocess.Popen[str]
    url: str

    def line(self) -> str:
        return self.process.stdout.readline().strip()


@pytest.fixture
def documented(tmp_path: Path, settings) -> Iterator[Documented]:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "receiving.md").read_text(), re.DOTALL)
    script = tmp_path / "receiver.py"
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, str(script), "0"],
        env={"PATH": os.environ["PATH"], "WEBHOOK_SECRET": SECRET},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    settings.WEBHOOK_ALLOWLIST = ["127.0.0.0/8"]
    deliver.door.cache_clear()
    receiver = Documented(process, "")
    receiver.url = f"http://127.0.0.1:{receiver.line().rpartition(' ')[2]}/"
    yield receiver
    deliver.door.cache_clear()
    process.kill()
    process.wait()


def sent(**values: object) -> Delivery:
    factories.lead(**values)
    deliver.run(stop=lambda: None, linger=0.0)
    return Delivery.objects.latest("id")


def test_it_takes_what_we_send_once_and_however_long(documented: Documented):
    webhook = factories.webhook(documented.url, secret=SECRET)
    assert sent(full_name="Zoë Ashdown").code == 204
    assert documented.line() == 'lead.created "Zo\\u00eb Ashdown"'
    # Longer than a header line that Python's server takes by itself.
    assert sent(full_name="A long story", message="🏠" * 8192, meta={"k": "v" * 1000}, host="🏠" * 255).code == 204
    assert documented.line() == 'lead.created "A long story"'
    assert Webhook.objects.get() == webhook


@pytest.mark.parametrize("secret", ["t" * 43, ""])
def test_it_refuses_what_is_not_signed_with_its_secret(documented: Documented, secret: str):
    factories.webhook(documented.url, secret=secret)
    assert sent().code == 401
