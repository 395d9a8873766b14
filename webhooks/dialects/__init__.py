"""The wire formats we speak, by the name that a webhook stores."""

from webhooks.dialects import leadengine, leadhub, leadpro, leadsquared, save_lead, standard
from webhooks.wire.dialect import Dialect

# The first is what a new webhook is given.
DIALECTS: dict[str, Dialect] = {
    module.DIALECT.name: module.DIALECT for module in (standard, leadpro, save_lead, leadengine, leadhub, leadsquared)
}


def choices() -> list[tuple[str, str]]:
    """(name, label) of each, for a model's or a form's field: callable, so that a new dialect needs no migration."""
    return [(dialect.name, dialect.label) for dialect in DIALECTS.values()]
