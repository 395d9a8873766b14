"""Certificates for 127.0.0.1 that are as they should not be, and one authority whom the program is made to trust."""

from __future__ import annotations

import datetime as dt
import itertools
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = "127.0.0.1"


class Authority:
    """Its own certificate is `pem`; `server` gives contexts with certificates of its making, kept in the folder."""

    def __init__(self, folder: Path, name: str = "Trusted authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._files = itertools.count()
        made = self._sign(self._name, self._key, None, days=1)
        self.pem = made.public_bytes(serialization.Encoding.PEM)

    def server(self, address: str = HERE, days: int = 1) -> ssl.SSLContext:
        """A certificate for this address that ends in so many days; negative for one that has ended."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
        return self._context(key, self._sign(name, key, address, days))

    def own(self) -> ssl.SSLContext:
        """A server that shows the authority's own certificate: signed by itself."""
        return self._context(self._key, self._sign(self._name, self._key, HERE, days=1))

    def _context(self, key: Any, certificate: x509.Certificate) -> ssl.SSLContext:
        file = self._folder / f"{self._name.rfc4514_string()}-{next(self._files)}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(self, subject: x509.Name, key: Any, address: str | None, days: int) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=30))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=address is None, path_length=None), critical=True)
        )
        if address is not None:
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def old_only(context: ssl.SSLContext) -> ssl.SSLContext:
    """It speaks nothing newer than TLS 1.1, which OpenSSL gives away at its lowest level only."""
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
