"""A receiver by https, whose certificate is its own."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path

from tests.receiver import Receiver


class SecureReceiver(Receiver):
    """The same behind TLS, with a certificate of its own for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.url = f"https://{self.authority}/hook"
        self.certificate = folder / "certificate.pem"
        key = folder / "key.pem"
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
            " -subj /CN=receiver -addext subjectAltName=IP:127.0.0.1"
        )
        files = ["-keyout", str(key), "-out", str(self.certificate)]
        subprocess.run([*command.split(), *files], capture_output=True, check=True)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.certificate, key)

    def _serve(self, connection: socket.socket) -> None:
        try:
            secured = self._context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        super()._serve(secured)
