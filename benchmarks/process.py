"""A program of ours in a process of its own: it is asked by a line of JSON and answers by one."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

# Nothing but the standard library: rivals have packages of their own.
ROOT = Path(__file__).resolve().parent.parent
END_WITHIN = 10.0


class Process:
    """with Process(module, environment) as process: process.ask("name", key=value).

    It has no signals of the terminal; it ends when its input does, hence also when its parent is killed.
    """

    def __init__(
        self,
        module: str,
        environment: Mapping[str, str],
        *arguments: str,
        python: str = sys.executable,
        log: IO[bytes] | None = None,
    ) -> None:
        """log: where its standard error goes, by default ours."""
        self.module = module
        self._heard = b""
        self._child = subprocess.Popen(
            [python, "-m", module, *arguments],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._child.stdin and self._child.stdout
        self._child.stdin.close()
        try:
            self._child.wait(0 if error else END_WITHIN)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()

    def ask(self, what: str, within: float = 120.0, **details: Any) -> Any:
        """The answer to a question. RuntimeError when the process has died or is silent for so many seconds."""
        self.tell(what, **details)
        return self.hear(within)

    def tell(self, what: str, **details: Any) -> None:
        """Ask without waiting: the answer is what it says next."""
        assert self._child.stdin
        self._child.stdin.write(json.dumps([what, details]).encode() + b"\n")
        self._child.stdin.flush()

    def hear(self, within: float) -> Any:
        """The next line that it says of itself."""
        while b"\n" not in self._heard:
            self._heard += self._read(within)
        line, _, self._heard = self._heard.partition(b"\n")
        return json.loads(line)

    def _read(self, within: float) -> bytes:
        assert self._child.stdout
        readable, _, _ = select.select([self._child.stdout], [], [], within)
        if not readable:
            raise RuntimeError(f"{self.module} said nothing for {within:g} s")
        piece = os.read(self._child.stdout.fileno(), 65_536)
        if not piece:
            raise RuntimeError(f"{self.module} ended with {self._child.wait()}")
        return piece


def serve(questions: Mapping[str, Callable[..., Any]]) -> None:
    """In the process: answer until the input ends."""
    for line in sys.stdin:
        what, details = json.loads(line)
        say(questions[what](**details))


def say(something: Any) -> None:
    sys.stdout.write(json.dumps(something) + "\n")
    sys.stdout.flush()
