"""API keys, the only way in: a browser's session is not looked at, so that no page can act for its reader."""

from __future__ import annotations

import re
from typing import Any, Final

from django.http import QueryDict
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from leads.api.errors import Problem
from leads.models import ApiKey

# Without dashes and underscores, in lower case.
_NAMES_OF_KEYS: Final = frozenset(
    {"accesstoken", "apikey", "apitoken", "authorization", "authtoken", "bearer", "key", "token", "xapikey"}
)


class Refused(Problem, AuthenticationFailed):
    """The same words for a key that is unknown, revoked, expired or of somebody who has left."""

    def __init__(self, message: str = "This API key is unknown, revoked or expired.") -> None:
        super().__init__(401, message)


class KeyAuthentication(BaseAuthentication):
    """Authorization: Bearer lck_... or X-API-KEY: lck_...; request.auth is then the ApiKey, request.user its maker."""

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        given = set()
        if authorization := request.headers.get("Authorization"):
            scheme, _, secret = authorization.strip().partition(" ")
            if scheme.lower() != "bearer" or not secret.strip():
                raise Refused("Authorization must be Bearer followed by an API key.")
            given.add(secret.strip())
        if secret := request.headers.get("X-API-KEY", "").strip():
            given.add(secret)
        if not given:
            return None
        if len(given) > 1:
            raise Refused("Authorization and X-API-KEY hold two different keys: send one.")
        key = ApiKey.find(given.pop())
        if key is None:
            raise Refused
        key.used()
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="leadcrm"'


def refuse_in_query(query: QueryDict) -> None:
    """A key in an address ends up in logs, histories and Referer fields on its way."""
    for name, values in query.lists():
        if re.sub("[-_ ]", "", name.lower()) in _NAMES_OF_KEYS or any("lck_" in text for text in (name, *values)):
            raise Problem(
                400,
                "Addresses are written to logs: send the API key as Authorization: Bearer, and replace the one that "
                "was sent in this address.",
                code="key_in_query",
            )
