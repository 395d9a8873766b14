"""Lapps that behave well, badly, and not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from leads.models import Lead, Tag
from webhooks.lapp import Call, lapp

Query = Mapping[str, str]


def _tell(query: Query, *pids: int) -> None:
    """Tell whoever tests which processes these are."""
    if file := query.get("pid") or os.environ.get("LAPP_TELLS"):
        Path(file).write_text(" ".join(map(str, pids)))


@lapp(label="Echo", description="Answers what it was told.")
def echo(body: Any, query: Query, call: Call) -> Any:
    return {
        "body": body,
        "query": dict(query),
        "id": call.id,
        "account": call.account_id,
        "webhook": call.webhook_id,
        "record": [call.record, call.record_id, call.version],
        "hops": call.hops,
        "test": call.test,
        "raw": call.raw.decode(),
        "pid": os.getpid(),
    }


@lapp(label="Quiet", description="Answers nothing.")
def quiet(body: Any, query: Query, call: Call) -> None:
    print("to nobody")


@lapp(label="Sleeper", description="Goes on for ever, and has processes that do, one of them in a session of its own.")
def sleeper(body: Any, query: Query, call: Call) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    children = [subprocess.Popen(command, start_new_session=apart) for apart in (False, True)]
    _tell(query, os.getpid(), *(child.pid for child in children))
    while True:
        time.sleep(1)


@lapp(label="Spinner", description="Computes for ever and hears no signal.")
def spinner(body: Any, query: Query, call: Call) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _tell(query, os.getpid())
    while True:
        pass


@lapp(label="Broken", description="Raises an exception.")
def broken(body: Any, query: Query, call: Call) -> None:
    def deep(level: int) -> None:
        if level:
            deep(level - 1)
        raise LookupError(query.get("why", "no such thing"))

    deep(int(query.get("levels", "2")))


@lapp(label="No JSON", description="Returns what JSON has no word for.")
def no_json(body: Any, query: Query, call: Call) -> Any:
    return {"it": object()} if "nan" not in query else float("nan")


@lapp(label="Flood", description="Returns far too much.")
def flood(body: Any, query: Query, call: Call) -> Any:
    return "é" * int(query["characters"])


@lapp(label="Glutton", description="Takes all the memory there is.")
def glutton(body: Any, query: Query, call: Call) -> Any:
    return len(b"x" * (2 << 30))


@lapp(label="Leaver", description="Ends its process, in one way or another.")
def leaver(body: Any, query: Query, call: Call) -> None:
    match query.get("how"):
        case "exit":
            sys.exit(3)
        case "signal":
            os.kill(os.getpid(), signal.SIGKILL)
        case code:
            os._exit(int(code or 0))


@lapp(label="Looker", description="Says what it has inherited.")
def looker(body: Any, query: Query, call: Call) -> Any:
    me = psutil.Process()
    return {
        "sockets": [each.fd for each in me.net_connections(kind="inet")],
        "files": [each.path for each in me.open_files()],
        "threads": me.num_threads(),
        "descriptors": me.num_fds(),
        "nice": me.nice(),
        "leads_its_group": os.getpgrp() == os.getpid(),
        "cores": me.cpu_affinity() if hasattr(me, "cpu_affinity") else [],
    }


@lapp(label="Once and fail", description="Makes a tag, once for each delivery, and fails when it has.")
def once_and_fail(body: Any, query: Query, call: Call) -> Any:
    with call.once() as first:
        if first:
            Tag.objects.create(account_id=call.account_id, name=f"{call.record} {call.record_id}")
    if first:
        raise RuntimeError("its work was done")
    return {"first": first}


@lapp(label="Restless", description="Changes the lead of which it is told that it has changed.")
def restless(body: Any, query: Query, call: Call) -> None:
    lead = Lead.objects.get(pk=call.record_id)
    lead.score = (lead.score or 0) + 1
    lead.save()
