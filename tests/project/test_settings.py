"""Every start goes through settings.py: what it refuses, and what it makes of the rest."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.program import ROOT

PRODUCTION = {
    "ENV_FILE": "",
    "SECRET_KEY": "a-key-of-my-own-that-is-long-enough-for-anything-at-all",
    "WEBHOOK_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "ALLOWED_HOSTS": "crm.example.com",
}
SAMPLES = dict(
    line.split("=", 1)
    for line in (ROOT / ".env.example").read_text().splitlines()
    if line.startswith(("SECRET_KEY=", "WEBHOOK_ENCRYPTION_KEYS="))
)


def python(code: str, values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=kept | values, capture_output=True, text=True)


def start(**changes: str | None) -> subprocess.CompletedProcess[str]:
    values = {name: value for name, value in (PRODUCTION | changes).items() if value is not None}
    return python("from leadcrm.startup import settings_or_exit; settings_or_exit()", values)


def settings(*names: str, **changes: str) -> list[object]:
    code = f"from leadcrm import settings; import json; print(json.dumps([getattr(settings, n) for n in {names!r}]))"
    done = python(code, PRODUCTION | changes)
    assert done.returncode == 0, done.stderr
    result: list[object] = json.loads(done.stdout)
    return result


def test_the_values_that_the_refusals_start_from_are_accepted():
    assert start().returncode == 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"SECRET_KEY": None}, "SECRET_KEY is missing"),
        ({"SECRET_KEY": ""}, "SECRET_KEY is missing"),
        ({"SECRET_KEY": "   "}, "SECRET_KEY is missing"),
        ({"DEBUG": "maybe"}, "DEBUG must be true or false, not 'maybe'"),
        ({"WEBHOOK_REQUIRE_HTTPS": "ture"}, "WEBHOOK_REQUIRE_HTTPS must be true or false"),
        ({"WEBHOOK_ALLOWLIST": "127.0.0.1:8000,nonsense"}, "WEBHOOK_ALLOWLIST: cannot read 'nonsense'"),
        (
            {"WEBHOOK_ALLOWLIST": "http://n8n.lan:5678"},
            "WEBHOOK_ALLOWLIST: cannot read 'http://n8n.lan:5678': an entry is a host:port, such as",
        ),
        ({"WEBHOOK_ALLOWLIST": "10.0.0.1"}, "WEBHOOK_ALLOWLIST: cannot read '10.0.0.1': an entry is a host:port"),
        ({"WEBHOOK_ALLOWLIST": "10.0.0.1/8"}, "WEBHOOK_ALLOWLIST: cannot read '10.0.0.1/8'"),
        ({"WEBHOOK_OWN_HOSTS": "crm.example.com,a b"}, "WEBHOOK_OWN_HOSTS: cannot read 'a b'"),
        ({"WEBHOOK_OWN_ADDRESSES": "203.0.113.7,here"}, "WEBHOOK_OWN_ADDRESSES: cannot read 'here'"),
        ({"WEBHOOK_EGRESS_PROXY": "https://proxy:3128"}, "WEBHOOK_EGRESS_PROXY: cannot read 'https://proxy:3128'"),
        (
            {"WEBHOOK_EGRESS_PROXY": "proxy:3128"},
            "WEBHOOK_EGRESS_PROXY: cannot read 'proxy:3128': it is written http://host:port",
        ),
        ({"SITE_URL": "crm.example.com"}, "SITE_URL: cannot read 'crm.example.com'"),
        ({"WEBHOOK_SENDING_ADDRESSES": "203.0.113.7,here"}, "WEBHOOK_SENDING_ADDRESSES: 'here' does not appear"),
        (
            {"WEBHOOK_SENDING_ADDRESSES": "203.0.113.7/24"},
            "WEBHOOK_SENDING_ADDRESSES: 203.0.113.7/24 has host bits set",
        ),
        *(
            ({"DATABASE_URL": url}, "DATABASE_URL must look like")
            for url in ("foo", "foo://x", "mysql://crm@127.0.0.1/crm", "postgres://crm:tooshort@127.0.0.1:port/crm")
        ),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL must be"),
        *(
            ({"EMAIL_URL": url}, "EMAIL_URL cannot be read: write smtp+tls://")
            for url in (
                "",
                "mail.example.com:587",
                "smtp+ssh://mail.example.com",
                "smtp+tls://crm:tooshort@:587",
                "smtp+tls://crm:tooshort@mail.example.com:many",
                "smtp+tls://crm:tooshort#1@mail.example.com:587",
                "smtp://mail.example.com?timeout=5",
            )
        ),
        *(
            ({"DEFAULT_FROM_EMAIL": sender}, "DEFAULT_FROM_EMAIL must be an e-mail address")
            for sender in ("", "leadcrm", "leadcrm <crm@>", "crm@example.com\nBcc: all@example.com")
        ),
        ({"SECRET_KEY": SAMPLES["SECRET_KEY"]}, "SECRET_KEY is missing or is still the sample"),
        ({"WEBHOOK_ENCRYPTION_KEYS": None}, "WEBHOOK_ENCRYPTION_KEYS is missing"),
        ({"WEBHOOK_ENCRYPTION_KEYS": ""}, "WEBHOOK_ENCRYPTION_KEYS is missing"),
        ({"WEBHOOK_ENCRYPTION_KEYS": SAMPLES["WEBHOOK_ENCRYPTION_KEYS"]}, "still has the sample key"),
        (
            {"WEBHOOK_ENCRYPTION_KEYS": f"{Fernet.generate_key().decode()}, {SAMPLES['WEBHOOK_ENCRYPTION_KEYS']}"},
            "still has the sample key",
        ),
        ({"WEBHOOK_ENCRYPTION_KEYS": "tooshort"}, "WEBHOOK_ENCRYPTION_KEYS: key 1 is no Fernet key"),
        (
            {"WEBHOOK_ENCRYPTION_KEYS": f"{Fernet.generate_key().decode()},tooshort"},
            "WEBHOOK_ENCRYPTION_KEYS: key 2 is no Fernet key",
        ),
        ({"ALLOWED_HOSTS": None}, "ALLOWED_HOSTS is missing"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is missing"),
        ({"Q_BROKER_URL": "amqp://127.0.0.1"}, "Q_BROKER_URL must"),
        ({"Q_WORKERS": "many"}, "Q_WORKERS must be a whole number, not 'many'"),
        ({"WEBHOOK_LEASE": "abc"}, "WEBHOOK_LEASE must be a number, not 'abc'"),
        ({"WEBHOOK_LEASE": "6o"}, "WEBHOOK_LEASE must be a number, not '6o'"),
        ({"WEBHOOK_DRAIN_RATE": "inf"}, "WEBHOOK_DRAIN_RATE must be a number, not 'inf'"),
        ({"Q_WORKERS": "0"}, "Q_WORKERS must be at least 1"),
        ({"WEBHOOK_RETRY_SCALE": "0"}, "WEBHOOK_RETRY_SCALE must be a number above 0"),
        ({"WEBHOOK_RETRY_SCALE": "-1"}, "WEBHOOK_RETRY_SCALE must be a number above 0"),
        ({"WEBHOOK_RETRY_SCALE": "nan"}, "WEBHOOK_RETRY_SCALE must be a number, not 'nan'"),
        ({"SECURE_PROXY_SSL_HEADER": "https"}, "SECURE_PROXY_SSL_HEADER must look like"),
    ],
)
def test_a_production_start_is_refused_with_one_line(changes, says):
    refused = start(**changes)
    assert refused.returncode == 1
    assert says in refused.stderr
    assert refused.stderr.startswith("leadcrm does not start: ")
    assert refused.stderr.count("\n") == 1
    assert "tooshort" not in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("-m", "gunicorn", "-c", "python:leadcrm.gunicorn", "leadcrm.wsgi"), ("manage.py", "worker")]
)
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"WEBHOOK_LEASE": "30"}, "WEBHOOK_LEASE: a lease of 30 s ends before a try does"),
        ({"Q_TIMEOUT": "54"}, "Q_CLUSTER: timeout (Q_TIMEOUT) is 54 s"),
        ({"Q_RETRY": "100"}, "Q_CLUSTER: retry (Q_RETRY) is 100 s; tasks would run twice below 216 s"),
    ],
)
def test_neither_web_nor_worker_starts_with_times_that_do_not_fit(command, changes, says):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    refused = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=kept | PRODUCTION | {"WEB_BIND": "127.0.0.1:0"} | changes,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 1
    assert says in refused.stderr


def test_a_bad_encryption_key_is_refused_with_debug_on_as_well():
    assert "key 1 is no Fernet key" in start(DEBUG="true", WEBHOOK_ENCRYPTION_KEYS="tooshort").stderr


def test_with_debug_on_the_samples_stand_in_for_missing_keys():
    assert start(DEBUG="true", SECRET_KEY=None, WEBHOOK_ENCRYPTION_KEYS=None, ALLOWED_HOSTS=None).returncode == 0


def test_manage_py_refuses_in_the_same_line():
    refused = python(
        "import runpy, sys; sys.argv = ['manage.py', 'check']; runpy.run_path('manage.py', run_name='__main__')",
        PRODUCTION | {"SECRET_KEY": ""},
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("leadcrm does not start: SECRET_KEY is missing")
    assert refused.stderr.count("\n") == 1


def test_the_env_file_is_read_and_the_environment_wins_over_it(tmp_path: Path):
    file = tmp_path / "env"
    file.write_text("ENVIRONMENT=from the file\nSITE_URL=https://crm.example.com/\n")
    assert settings("ENVIRONMENT", "SITE_URL", ENV_FILE=str(file)) == ["from the file", "https://crm.example.com"]
    assert settings("ENVIRONMENT", ENV_FILE=str(file), ENVIRONMENT="from outside") == ["from outside"]


def test_mail_is_printed_for_developers_sent_by_smtp_and_else_not_sent():
    assert settings("EMAIL_BACKEND", DEBUG="true") == ["django.core.mail.backends.console.EmailBackend"]
    assert settings("EMAIL_BACKEND") == ["django.core.mail.backends.dummy.EmailBackend"]
    names = ("EMAIL_BACKEND", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD", "EMAIL_USE_TLS")
    url = "smtp+tls://crm:p%40ss%23@mail.example.com:587"
    found = settings(*names, "DEFAULT_FROM_EMAIL", EMAIL_URL=url, DEFAULT_FROM_EMAIL="CRM <crm@example.com>")
    smtp = "django.core.mail.backends.smtp.EmailBackend"
    assert found == [smtp, "mail.example.com", 587, "crm", "p@ss#", True, "CRM <crm@example.com>"]


def test_sqlite_writers_queue_up_and_readers_never_wait():
    [databases] = settings("DATABASES", DATABASE_URL="sqlite:////nowhere/db.sqlite3")
    assert databases["default"]["OPTIONS"] == {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
    assert databases["default"]["CONN_MAX_AGE"] is None


@pytest.mark.parametrize(
    ("changes", "workers"),
    [
        ({}, 2),
        ({"DATABASE_URL": "postgres://leadcrm@127.0.0.1/leadcrm"}, 8),
        ({"Q_WORKERS": "1"}, 1),
        ({"Q_WORKERS": "3"}, 3),
    ],
)
def test_a_task_is_not_fetched_twice_while_those_before_it_may_still_run(changes, workers):
    [q] = settings("Q_CLUSTER", **changes)
    assert q["workers"] == q["queue_limit"] == workers
    fetched_before = -(-(q["queue_limit"] + q["bulk"]) // workers)
    assert q["retry"] >= q["timeout"] + fetched_before * (q["timeout"] + 3) + 30
    assert (q["max_attempts"], q["ack_failures"], q["save_limit"]) == (1, True, -1)


def test_the_database_is_the_broker_unless_a_redis_is_named():
    [q] = settings("Q_CLUSTER")
    assert q["orm"] == "default"
    assert "redis" not in q
    [q] = settings("Q_CLUSTER", Q_BROKER_URL="redis://:secret@127.0.0.1:6379/3?health_check_interval=9")
    assert "orm" not in q
    assert q["redis"] == (
        "redis://:secret@127.0.0.1:6379/3?socket_timeout=3&socket_connect_timeout=2&health_check_interval=9"
    )
