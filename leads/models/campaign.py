from __future__ import annotations

from leads.models.labels import Label


class Campaign(Label):
    """A series of messages that leads take part in."""
