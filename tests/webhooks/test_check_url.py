"""`manage.py check_url`: each check is told to the operator, and nothing is connected to."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from django.core.management import call_command

from tests.program import ROOT
from webhooks.outbound import deliver, send


@pytest.fixture(autouse=True)
def nobody_is_called(monkeypatch):
    def connect(sock, address):
        raise AssertionError(f"{address} was dialled")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect)
    deliver.door.cache_clear()
    yield
    deliver.door.cache_clear()


@pytest.fixture
def check(monkeypatch, capsys):
    """Runs the command with a name's addresses; gives its exit code, and its lines by their first word."""

    def run(url, *addresses):
        def lookup(host, port):
            if addresses and isinstance(addresses[0], OSError):
                raise addresses[0]
            return addresses

        monkeypatch.setattr(send, "lookup", lookup)
        code = 0
        try:
            call_command("check_url", url)
        except SystemExit as end:
            code = end.code
        lines = {}
        for line in capsys.readouterr().out.splitlines():
            lines.setdefault(line[:9].strip(), []).append(line[9:])
        return code, lines

    return run


def test_an_allowed_url(check):
    code, lines = check("https://Hooks.Example.com./in?q=1", "93.184.216.34", "2606:4700::1111")
    assert code == 0
    assert lines["Read as"] == ["https, host hooks.example.com, port 443, path /in?q=1"]
    assert lines["Lookup"] == ["hooks.example.com has 2 addresses"]
    assert lines["Address"] == ["93.184.216.34: allowed", "2606:4700::1111: allowed"]
    assert list(lines)[-1] == "Allowed"
    assert "Refused" not in lines and "Http" not in lines and "Hint" not in lines


def test_a_url_that_cannot_be_read(check):
    code, lines = check("http://127.0.0.1\\@hooks.example.com/")
    assert (code, list(lines)) == (1, ["URL", "Refused"])
    assert lines["Refused"][0].startswith("at the URL as read: ")
    assert "backslash" in lines["Refused"][0]


@pytest.mark.parametrize("url", ["", "\udcff", "https://a\nb/", "https://hooks.example.com/" + "a" * 100_000])
def test_whatever_is_given_is_answered_in_lines_of_their_own(check, url):
    code, lines = check(url)
    assert (code, list(lines)) == (1, ["URL", "Refused"])
    assert len(lines["URL"][0]) < 300


def test_the_operator_sees_which_address_spoils_it_and_why(check):
    code, lines = check("https://hooks.example.com/", "93.184.216.34", "10.0.0.5")
    assert code == 1
    assert lines["Address"] == ["93.184.216.34: allowed", "10.0.0.5: refused (private, 10.0.0.0/8)"]
    assert lines["Hint"] == ["hooks.example.com:443 in WEBHOOK_ALLOWLIST would open it"]
    # The words that staff get are the last line.
    assert "10.0.0.5" not in lines["Refused"][0]
    assert lines["Refused"][0].startswith("at the addresses: ")


def test_names_and_ports_are_judged_without_a_lookup(check):
    for url in ("http://localhost/", "https://hooks.example.com:22/", "https://vault.internal/"):
        code, lines = check(url, "93.184.216.34")
        assert code == 1
        assert "Lookup" not in lines and "Rules" not in lines
        assert "would open it" in lines["Hint"][0]
        assert lines["Refused"][0].startswith("at the rules: ")


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("http://169.254.169.254/", ()),
        ("https://hooks.example.com/", ("169.254.169.254",)),
        ("http://metadata.google.internal/", ()),
        ("https://hooks.example.com/", ("fe80::1%eth0",)),
    ],
)
def test_what_no_entry_opens_has_no_hint(check, url, addresses):
    code, lines = check(url, *addresses)
    assert code == 1
    assert "Hint" not in lines


@pytest.mark.parametrize(
    ("answer", "words"), [((), "no address"), (OSError(-2, "Name or service not known"), "Name or service not known")]
)
def test_a_name_without_address(check, answer, words):
    code, lines = check("https://hooks.example.com/", *(answer if isinstance(answer, tuple) else [answer]))
    assert (code, lines["Lookup"]) == (1, [f"hooks.example.com: {words}"])
    assert lines["Refused"][0].startswith("at the addresses: ")
    assert "A webhook may be saved with it; its deliveries would be tried again." in lines["Refused"][0]
    assert "Hint" not in lines


def test_the_allow_list_is_told(check, settings):
    settings.WEBHOOK_ALLOWLIST = ["n8n.lan:5678", "192.168.1.0/24"]
    settings.WEBHOOK_REQUIRE_HTTPS = True
    code, lines = check("http://n8n.lan:5678/hook", "10.0.0.7")
    assert (code, lines["Listed"]) == (0, ["WEBHOOK_ALLOWLIST names n8n.lan:5678"])
    assert lines["Address"] == ["10.0.0.7: allowed"]
    code, lines = check("http://192.168.1.20/")
    assert (code, lines["Address"]) == (0, ["192.168.1.20: allowed (192.168.1.0/24 in WEBHOOK_ALLOWLIST)"])


def test_required_https_is_told(check, settings):
    settings.WEBHOOK_REQUIRE_HTTPS = True
    code, lines = check("http://hooks.example.com/", "93.184.216.34")
    assert code == 1
    assert "WEBHOOK_REQUIRE_HTTPS is on" in lines["Http"][0]
    settings.WEBHOOK_REQUIRE_HTTPS = False
    deliver.door.cache_clear()
    code, lines = check("http://hooks.example.com/", "93.184.216.34")
    assert (code, lines["Http"]) == (0, ["sends data unencrypted; allowed"])


def test_this_installation_itself_is_told(check, settings):
    settings.WEBHOOK_OWN_HOSTS = ["crm.example.org"]
    settings.WEBHOOK_OWN_ADDRESSES = ["198.41.0.4"]
    code, lines = check("https://crm.example.org/", "93.184.216.34")
    assert code == 1
    assert "installation itself" in lines["Refused"][0]
    code, lines = check("https://hooks.example.com/", "198.41.0.4")
    assert (code, lines["Address"]) == (1, ["198.41.0.4: refused (in WEBHOOK_OWN_ADDRESSES)"])
    assert "Hint" not in lines


def test_the_proxy_is_told(check, settings):
    settings.WEBHOOK_EGRESS_PROXY = "http://smokescreen:4750"
    code, lines = check("https://hooks.example.com/", "93.184.216.34")
    assert code == 0
    assert "http://smokescreen:4750" in lines["Proxy"][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["https://8.8.8.8/"], 0, "Allowed"),
        (["http://10.0.0.1/"], 1, "Refused"),
        ([], 2, "the following arguments are required: URL"),
        (["https://8.8.8.8/", "https://1.1.1.1/"], 2, "unrecognized arguments"),
    ],
)
def test_the_exit_code_tells_it_too(arguments, code, words):
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "leadcrm.settings"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check_url", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
