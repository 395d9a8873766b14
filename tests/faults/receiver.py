"""The receiver of the experiments, a process of its own: python -m tests.faults.receiver LEDGER

It says its port, then answers questions (see benchmarks/process.py). A request is written to the ledger, and the ledger
to the disk, before it is answered. Each path has a manner of its own: how soon and how it answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.process import say, serve

LARGEST_HEAD = 256 * 1024


@dataclass(frozen=True, slots=True)
class Manner:
    """status, after how many seconds (between two bounds), and with which headers; silent: never."""

    status: int = 200
    soonest: float = 0.0
    latest: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()
    silent: bool = False


class Receiver:
    def __init__(self, ledger: str, seed: int) -> None:
        self.manners: dict[str, Manner] = {}
        self.usual = Manner()
        self.count = 0
        # The peer's ports of requests that were not answered yet.
        self.open: set[int] = set()
        self._file = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._random = random.Random(seed)
        self._unwritten: list[tuple[bytes, asyncio.Future[None]]] = []
        self._some = asyncio.Event()

    async def run(self, told: Any) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=LARGEST_HEAD, backlog=512)
        told(server.sockets[0].getsockname()[1])
        await self._write()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")[1]
        try:
            while await self._answer(reader, writer, peer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the other side went away
        finally:
            self.open.discard(peer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: int) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path = first.split(" ")[1]
        self.open.add(peer)
        await self._keep(path.strip("/"), headers, body)
        manner = self.manners.get(path.strip("/"), self.usual)
        if manner.silent:
            await reader.read(1)
            return False
        if manner.latest:
            await asyncio.sleep(self._random.uniform(manner.soonest, manner.latest))
        self.open.discard(peer)
        lines = [f"HTTP/1.1 {manner.status} Answer", *(f"{name}: {value}" for name, value in manner.headers)]
        writer.write("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
        await writer.drain()
        return True

    async def _keep(self, webhook: str, headers: dict[str, str], body: bytes) -> None:
        line = {
            "at": time.monotonic(),
            "wall": time.time(),
            "webhook": webhook,
            "headers": headers,
            "body": body.decode("latin-1"),
        }
        kept = asyncio.get_running_loop().create_future()
        self._unwritten.append((json.dumps(line).encode() + b"\n", kept))
        self._some.set()
        await kept

    async def _write(self) -> None:
        """What arrives while the disk is busy shares the next write."""
        while True:
            await self._some.wait()
            self._some.clear()
            batch, self._unwritten = self._unwritten, []
            os.write(self._file, b"".join(line for line, _ in batch))
            await asyncio.get_running_loop().run_in_executor(None, os.fsync, self._file)
            self.count += len(batch)
            for _, kept in batch:
                if not kept.done():
                    kept.set_result(None)


def main(ledger: str, seed: str) -> None:
    receiver = Receiver(ledger, int(seed))
    ready = threading.Event()
    port: list[int] = []

    def told(number: int) -> None:
        port.append(number)
        ready.set()

    threading.Thread(target=lambda: asyncio.run(receiver.run(told)), daemon=True).start()
    ready.wait()

    def behave(webhook: str | None, headers: list[list[str]] | None = None, **manner: Any) -> None:
        made = Manner(headers=tuple((name, value) for name, value in headers or ()), **manner)
        if webhook is None:
            receiver.usual = made
        else:
            receiver.manners[webhook] = made

    say(port[0])
    serve({"behave": behave, "count": lambda: receiver.count, "open": lambda: sorted(receiver.open)})


if __name__ == "__main__":
    main(*sys.argv[1:])
