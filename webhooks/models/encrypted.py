"""Columns that are encrypted at rest with WEBHOOK_ENCRYPTION_KEYS (the first encrypts, all decrypt).

What is read stays ciphertext until somebody asks for the attribute: a list of rows decrypts nothing, and one row that
no key fits any more does not spoil the others.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from webhooks import conf


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


class Ciphertext(str):
    """A value as it is stored."""

    def decrypt(self) -> str:
        """Raises ValueError when no key fits: ciphertext is never handed on as if it were the text."""
        try:
            return _fernet(conf.encryption_keys()).decrypt(self.encode()).decode()
        except InvalidToken:
            raise ValueError("a stored secret cannot be decrypted: none of WEBHOOK_ENCRYPTION_KEYS fits") from None


def encrypt(text: str) -> Ciphertext:
    return Ciphertext(_fernet(conf.encryption_keys()).encrypt(text.encode()).decode())


class _Decrypting(DeferredAttribute):
    field: EncryptedTextField

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if isinstance(value, Ciphertext):
            value = instance.__dict__[self.field.attname] = self.field.loads(value.decrypt())
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        # Without this the instance's dictionary would be asked first, and answer with the ciphertext.
        instance.__dict__[self.field.attname] = value


if TYPE_CHECKING:
    _Text = models.TextField[Any, Any]
else:
    _Text = models.TextField


class EncryptedTextField(_Text):
    """Text; '' stays ''."""

    descriptor_class = _Decrypting

    @staticmethod
    def loads(text: str) -> Any:
        return text

    @staticmethod
    def dumps(value: Any) -> str:
        return str(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return Ciphertext(value) if value else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        # Not by the attribute: what nobody read is stored again as it is.
        return model_instance.__dict__[self.attname]

    def get_prep_value(self, value: Any) -> Any:
        return value if value in ("", None) or isinstance(value, Ciphertext) else encrypt(self.dumps(value))


class EncryptedJSONField(EncryptedTextField):
    """A JSON value."""

    @staticmethod
    def loads(text: str) -> Any:
        return json.loads(text)

    @staticmethod
    def dumps(value: Any) -> str:
        return json.dumps(value)

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) and not isinstance(value, Ciphertext) else value

    def value_to_string(self, obj: models.Model) -> str:
        return json.dumps(self.value_from_object(obj))
