"""A mail server on the loopback: it takes what SMTP clients bring, keeps it, or refuses it as told."""

from __future__ import annotations

import socketserver
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Received:
    """recipients: those of the envelope."""

    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def text(self) -> str:
        return self.message.get_content()


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        self.say("220 ready")
        recipients: list[str] = []
        while line := self.rfile.readline():
            verb = line.decode().split(maxsplit=1)[0].upper() if line.split() else ""
            if verb == "RCPT":
                recipients.append(line.decode().partition("<")[2].partition(">")[0])
            if verb in server.refusals:
                self.say(server.refusals[verb])
            elif verb == "DATA":
                self.say("354 go on")
                server.keep(recipients, b"".join(iter(self.rfile.readline, b".\r\n")))
                self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 well")

    def say(self, words: str) -> None:
        self.wfile.write(words.encode() + b"\r\n")


class MailServer(socketserver.ThreadingTCPServer):
    """mails: what was taken, oldest first. refusals: {verb: answer}, e.g. {"DATA": "451 try again"}."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.mails: list[Received] = []
        self.refusals: dict[str, str] = {}

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def keep(self, recipients: list[str], content: bytes) -> None:
        message = message_from_bytes(content.replace(b"\r\n..", b"\r\n."), EmailMessage, policy=policy.default)
        self.mails.append(Received(tuple(recipients), message))

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()
