"""What a child of the nursery does: it reads what to call, calls it, and tells what came of it."""

from __future__ import annotations

import json
import re
import socket
import traceback
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connections

from leads import changes
from leads.signals import Actor
from webhooks import conf, lapp
from webhooks.wire.exchange import KEPT_BODY
from webhooks.wire.frame import LENGTHS, frame

# Characters of what went wrong; the rest of what is kept of an answer is the end of the traceback.
LONGEST_MESSAGE = 2000
LOOP = f"It was not called: {conf.MOST_HOPS} rules or Lapps led to this event, one after the other.".encode()

_RECORD = re.compile(r"(\w+)/(\d+);version=(\d+)")


def run(sock: socket.socket) -> None:
    head, raw = _asked(sock)
    answer = _called(head["url"], {name.lower(): value for name, value in head["headers"]}, raw)
    connections.close_all()
    sock.sendall(answer)


def _asked(sock: socket.socket) -> tuple[dict[str, Any], bytes]:
    with sock.makefile("rb") as file:
        head_length, body_length = LENGTHS.unpack(file.read(LENGTHS.size))
        return json.loads(file.read(head_length)), file.read(body_length)


def _called(url: str, headers: Mapping[str, str], raw: bytes) -> bytes:
    call = _call(headers, raw)
    query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    try:
        known = lapp.named(lapp.called(url))
        if call.hops >= conf.MOST_HOPS:
            return _answer(508, "Loop Detected", "text/plain; charset=utf-8", LOOP)
        with changes.acting(Actor("lapp", call.webhook_id, known.label, call.hops + 1)):
            returned = known.function(_parsed(raw), query, call)
    except BaseException as error:  # SystemExit is no more than a failure of this one call
        return _failed(_told(error))
    try:
        return _answer(200, "OK", "application/json", b"" if returned is None else _written(returned))
    except Exception as error:
        return _failed(f"It returned what cannot be written as JSON: {error}".encode(errors="backslashreplace"))


def _call(headers: Mapping[str, str], raw: bytes) -> lapp.Call:
    record = _RECORD.fullmatch(headers.get("webhook-record", ""))
    return lapp.Call(
        id=headers["webhook-id"],
        account_id=int(headers[lapp.ACCOUNT]),
        webhook_id=int(headers[lapp.WEBHOOK]),
        record=record[1] if record else "",
        record_id=int(record[2]) if record else 0,
        version=int(record[3]) if record else 0,
        hops=int(headers.get("webhook-hops", "0")),
        test=headers.get("webhook-test") == "true",
        raw=raw,
    )


def _parsed(raw: bytes) -> Any:
    """JSON; text for what is none, as a body may have been stored while the webhook still sent forms."""
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="backslashreplace")


def _written(value: Any) -> bytes:
    text = json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, allow_nan=False)
    return text.encode(errors="backslashreplace")


def _told(error: BaseException) -> bytes:
    """What went wrong, and the end of where."""
    what = "".join(traceback.format_exception_only(error)).strip()[:LONGEST_MESSAGE].encode(errors="backslashreplace")
    # The first step is ours.
    where = error.__traceback__.tb_next if error.__traceback__ else None
    lines = "".join(traceback.format_tb(where)).encode(errors="backslashreplace")
    return what + b"\n\n" + lines[-(KEPT_BODY - len(what) - 2) :] if lines else what


def _failed(why: bytes) -> bytes:
    return _answer(500, "Internal Server Error", "text/plain; charset=utf-8", why)


def _answer(status: int, reason: str, kind: str, body: bytes) -> bytes:
    return frame({"status": status, "reason": reason, "type": kind, "size": len(body)}, body[:KEPT_BODY])
