"""Columns that are encrypted at rest with WEBHOOK_ENCRYPTION_KEYS (the first encrypts, all decrypt)."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.db import models

from webhooks import conf


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(text: str) -> str:
    return _fernet(conf.encryption_keys()).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Raises ValueError when no key fits: ciphertext is never handed on as if it were the text."""
    try:
        return _fernet(conf.encryption_keys()).decrypt(token.encode()).decode()
    except InvalidToken:
        raise ValueError("A stored secret cannot be decrypted: none of WEBHOOK_ENCRYPTION_KEYS fits.") from None


class EncryptedTextField(models.TextField):
    """Text; '' stays ''."""

    def get_prep_value(self, value: Any) -> Any:
        return encrypt(value) if value else value

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return decrypt(value) if value else value


class EncryptedJSONField(models.TextField):
    """A JSON value."""

    def get_prep_value(self, value: Any) -> Any:
        return encrypt(json.dumps(value))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return json.loads(decrypt(value))

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    def value_to_string(self, obj: models.Model) -> str:
        return json.dumps(self.value_from_object(obj))
