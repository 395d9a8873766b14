"""Who calls, and how often. Keys may stand in the address, as LeadSquared has them: leadcrm/logs.py strikes them."""

from __future__ import annotations

import math
import secrets
import time
from typing import Any, Final

from django.db import transaction
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from leads.api.authentication import Refused
from leads.models import ApiKey
from webhooks.models import Calls

# So many calls of one key within so many seconds.
MOST_CALLS: Final = 25
WITHIN: Final = 5.0


class KeyPair(BaseAuthentication):
    """accessKey and secretKey in the query, or x-LSQ-AccessKey and x-LSQ-SecretKey.

    The secret key is an API key of ours; the access key is what people know that one by, its first 12 characters, or
    its id.
    """

    def authenticate(self, request: Request) -> tuple[Any, ApiKey] | None:
        query = {name.lower(): values for name, values in request.query_params.lists()}
        pair: list[str] = []
        for name in ("accesskey", "secretkey"):
            given = {text.strip() for text in [*query.get(name, ()), request.headers.get(f"x-lsq-{name}", "")]} - {""}
            if len(given) > 1:
                raise Refused("The address and the headers hold different keys: send one pair.")
            pair.append(next(iter(given), ""))
        access, secret = pair
        if not access and not secret:
            return None
        key = ApiKey.find(secret)
        if key is None or not any(
            secrets.compare_digest(access.encode(errors="replace"), known.encode())
            for known in (key.prefix, str(key.pk))
        ):
            raise Refused("This accessKey and secretKey are no pair that is known and in force.")
        key.used()
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'LSQ realm="leadcrm"'


class TooMany(Throttled):
    """seconds: until the next call is taken."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__()


def count(key: ApiKey) -> None:
    """Take note of one more call, over all processes of the web server; TooMany where the key has none left."""
    with transaction.atomic():
        Calls.objects.get_or_create(key=key)
        calls = Calls.objects.select_for_update().get(key=key)
        now = time.time()
        # A clock that was set back holds nobody up.
        calls.at = [at for at in calls.at if now - WITHIN < at <= now]
        if len(calls.at) >= MOST_CALLS:
            raise TooMany(math.ceil(calls.at[0] + WITHIN - now))
        calls.at.append(now)
        calls.save()
