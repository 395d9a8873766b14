"""The wire formats we speak, by the name that a webhook stores."""

from webhooks.dialects import leadpro
from webhooks.wire.dialect import Dialect

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (leadpro.DIALECT,)}


def choices() -> list[tuple[str, str]]:
    """(name, label) of each, for a model's or a form's field: callable, so that a new dialect needs no migration."""
    return [(dialect.name, dialect.label) for dialect in DIALECTS.values()]
