"""People who post leads to the API over HTTP, some threads of this process, each lead in two versions."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from dataclasses import dataclass
from typing import Any

PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """status: 0 when there was none."""

    lead: str
    version: int
    id: int | None
    status: int
    seconds: float
    at: float


class Visitors:
    """They post, all together about `rate` requests in a second, from start() to end()."""

    def __init__(self, port: int, key: str, lead: dict[str, Any], rate: float, seed: int, count: int = 4) -> None:
        """lead: what each of them is, but for its address."""
        self.answers: list[Answer] = []
        self._port = port
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._lead = lead
        self._end = threading.Event()
        self._resting = threading.Event()
        self._threads = [
            threading.Thread(target=self._visit, args=(f"v{number}", rate / count, random.Random(seed + number)))
            for number in range(count)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def rest(self, resting: bool) -> None:
        (self._resting.set if resting else self._resting.clear)()

    def end(self) -> list[Answer]:
        """Everything that was answered, or was not."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        return self.answers

    @property
    def stored(self) -> dict[tuple[int, int], float]:
        """(lead, version) -> when the API said that it is stored."""
        return {(one.id, one.version): one.at for one in self.answers if one.id is not None and one.status < 300}

    def _visit(self, name: str, rate: float, choice: random.Random) -> None:
        number = 0
        due = time.monotonic()
        while not self._end.is_set():
            if self._resting.is_set():
                time.sleep(0.05)
                due = time.monotonic()
                continue
            number += 1
            lead = f"{name}-{number}"
            first = self._send("POST", "/api/v1/leads", lead, 1, self._lead)
            if first.id is not None and choice.random() < 0.5:
                self._send("PATCH", f"/api/v1/leads/{first.id}", lead, 2, {})
                due += 1 / rate
            due = max(due + choice.uniform(0, 2 / rate), time.monotonic() - 1)
            self._end.wait(max(0.0, due - time.monotonic()))

    def _send(self, method: str, path: str, lead: str, version: int, values: dict[str, Any]) -> Answer:
        begun = time.monotonic()
        pk: int | None = None
        status = 0
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request(method, path, json.dumps(values | {"address": f"{lead}.{version}"}), self._headers)
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
            if status < 300:
                pk = json.loads(body)["id"]
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        now = time.monotonic()
        self.answers.append(Answer(lead, version, pk, status, now - begun, now))
        return self.answers[-1]
