"""What every page has in common: health, headers, the way in, and the real web server's limits."""

import socket

import pytest
from django.db import DatabaseError, connection
from django.test import Client


def policy(response) -> dict[str, set[str]]:
    parts = (part.split() for part in response["Content-Security-Policy"].split(";") if part.strip())
    return {name: set(sources) for name, *sources in parts}


def test_livez_answers_without_the_database(client: Client):
    response = client.get("/livez")
    assert (response.status_code, response.content) == (200, b"ok\n")
    assert client.post("/livez").status_code == 405


@pytest.mark.django_db
def test_readyz_asks_the_database(client: Client, monkeypatch):
    assert client.get("/readyz").status_code == 200

    def fail(*arguments):
        raise DatabaseError("password of the database in here")

    monkeypatch.setattr(connection, "cursor", fail)
    response = client.get("/readyz")
    assert (response.status_code, response.content) == (503, b"database: no answer\n")


def test_the_root_leads_to_the_admin(client: Client):
    assert client.get("/").headers["Location"] == "/admin/"


def test_pages_outside_the_admin_have_the_strict_policy(client: Client):
    assert policy(client.get("/livez")) == {
        "default-src": {"'none'"},
        "img-src": {"'self'"},
        "style-src": {"'self'"},
        "script-src": {"'self'"},
        "font-src": {"'self'"},
        "connect-src": {"'self'"},
        "form-action": {"'self'"},
        "frame-ancestors": {"'none'"},
        "base-uri": {"'none'"},
    }


@pytest.mark.django_db
def test_the_admin_has_a_policy_its_scripts_can_live_with(client: Client):
    response = client.get("/admin/login/")
    assert response.status_code == 200
    given = policy(response)
    assert given["script-src"] == {"'self'", "'unsafe-eval'"}
    assert given["style-src"] == {"'self'", "'unsafe-inline'"}
    assert given["img-src"] == {"'self'", "data:"}
    assert given["frame-ancestors"] == {"'none'"}
    assert given["default-src"] == {"'none'"}


@pytest.mark.django_db
def test_wrong_passwords_lock_one_name_out_from_one_address(client: Client, settings, django_user_model):
    settings.AXES_ENABLED = True
    django_user_model.objects.create_superuser("dana", "dana@example.com", "the right one")

    def sign_in(name: str, password: str, address: str) -> int:
        form = {"username": name, "password": password}
        return client.post("/admin/login/", form, REMOTE_ADDR=address).status_code

    for _ in range(settings.AXES_FAILURE_LIMIT):
        sign_in("dana", "a wrong one", "192.0.2.7")
    assert sign_in("dana", "the right one", "192.0.2.7") == 429
    assert sign_in("sam", "a wrong one", "192.0.2.7") == 200
    assert sign_in("dana", "the right one", "192.0.2.8") == 302


def ask(port: int, header: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + header + b"\r\n\r\n")
        return connection.makefile("rb").read()


def test_the_web_server_takes_the_longest_signature_and_refuses_longer_lines(new_program):
    program = new_program()
    program.start_web()
    assert ask(program.port, b"Authorization: Bearer " + b"x" * 100_000).startswith(b"HTTP/1.1 200 ")
    assert ask(program.port, b"Authorization: Bearer " + b"x" * 140_000).startswith(b"HTTP/1.1 431 ")
    assert program.answers()
