from __future__ import annotations

from leads.models.labels import Label


class Tag(Label):
    """A word that staff put on leads."""
