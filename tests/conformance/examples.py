"""The receivers that the systems' own pages show, run as they stand there, and the same in Python.

The pages' own need programs that are not everywhere: where one is missing the test that asked is skipped, and warns.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import queue
import re
import shutil
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests import npm

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass(frozen=True, slots=True)
class Example:
    """A receiver that runs. prints: whether it printed this within 10 s, in whatever it has printed since the start."""

    url: str
    prints: Callable[[str], bool]


# save_lead: the page's Node.js application

EXPRESS = "express@5.1.0"

# Loaded before the example, which names its port: another program may have that one.
ANY_PORT = """
const { Server } = require("node:net");
const { listen } = Server.prototype;
Server.prototype.listen = function (port, ...rest) {
  this.once("listening", () => console.log(`asked for ${port}, got ${this.address().port}`));
  return listen.call(this, 0, "127.0.0.1", ...rest);
};
"""


@contextmanager
def express(folder: Path) -> Iterator[Example]:
    """The page's example, byte for byte, under Node; it asks for port 3000 and is given a free one."""
    if not (folder / "node_modules" / "express").exists():
        npm.install(folder, EXPRESS)
    (folder / "any_port.cjs").write_text(ANY_PORT)
    shutil.copy(GOLDEN / "save_lead" / "receiver.js", folder / "receiver.cjs")
    with _running(["node", "--require", "./any_port.cjs", "receiver.cjs"], folder) as printed:
        found = printed.find(r"asked for 3000, got (\d+)\n")
        assert found, printed.text
        yield Example(f"http://127.0.0.1:{found[1]}/webhooks/leads", printed.has)


@contextmanager
def like_express() -> Iterator[Example]:
    """What the page's example does: one route, a parser of JSON alone, a line for the lead, 200 and two words."""
    printed = _Printed()

    def answer(path: str, headers: Message, body: bytes) -> tuple[int, bytes]:
        if path != "/webhooks/leads":
            return 404, b"Cannot POST"
        if headers.get_content_type() != "application/json":
            return 500, b"TypeError: Cannot read properties of undefined (reading 'data')"
        printed.add(f"Received new lead: {json.loads(body)['data']}")
        return 200, b"Webhook received"

    with _serving(answer) as url:
        yield Example(f"{url}/webhooks/leads", printed.has)


# LeadHub: the page's recipe


@contextmanager
def php(secret: str) -> Iterator[Example]:
    """The page's recipe behind PHP's own web server."""
    if not shutil.which("php"):
        reason = "NOT TESTED against LeadHub's own recipe: there is no php (apt-get install php-cli)"
        warnings.warn(reason, stacklevel=3)
        pytest.skip(reason)
    environment = {"PATH": os.environ["PATH"], "SECRET": secret}
    command = ["php", "-S", "127.0.0.1:0", str(GOLDEN / "leadhub" / "receiver.php")]
    with _running(command, GOLDEN, environment) as printed:
        found = printed.find(r"\((http://127\.0\.0\.1:\d+)\) started")
        assert found, printed.text
        yield Example(f"{found[1]}/", printed.has)


@contextmanager
def like_php(secret: str) -> Iterator[Example]:
    """The same recipe, line for line."""

    def answer(path: str, headers: Message, raw: bytes) -> tuple[int, bytes]:
        computed = "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
        given = headers.get("X-LeadHub-Signature", "")
        return (200, b"") if hmac.compare_digest(computed.encode(), given.encode()) else (401, b"")

    with _serving(answer) as url:
        yield Example(f"{url}/", lambda words: False)


# LeadSquared: its page shows none, but tells what one may do


@contextmanager
def watchful(name: str, value: str) -> Iterator[Example]:
    """Takes nothing without this header."""

    def answer(path: str, headers: Message, body: bytes) -> tuple[int, bytes]:
        return (200, b"") if headers.get(name) == value else (401, b"")

    with _serving(answer) as url:
        yield Example(f"{url}/", lambda words: False)


# How they are run


class _Printed:
    """What a program printed so far."""

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.text = ""

    def add(self, line: str) -> None:
        self._lines.put(line)

    def has(self, words: str) -> bool:
        return self.find(re.escape(words)) is not None

    def find(self, pattern: str) -> re.Match[str] | None:
        limit = time.monotonic() + 10
        while (found := re.search(pattern, self.text)) is None:
            try:
                self.text += self._lines.get(timeout=max(0.0, limit - time.monotonic()))
            except queue.Empty:
                return None
        return found


@contextmanager
def _running(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> Iterator[_Printed]:
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    printed = _Printed()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            printed.add(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield printed
    finally:
        process.kill()
        process.wait()
        reader.join()


@contextmanager
def _serving(answer: Callable[[str, Message, bytes], tuple[int, bytes]]) -> Iterator[str]:
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, words = answer(self.path, self.headers, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(words)))
            self.end_headers()
            self.wfile.write(words)

        def log_message(self, *words: object) -> None:
            """Nobody reads it."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
