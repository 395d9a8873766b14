from __future__ import annotations

from leads.models.labels import Label


class LeadList(Label):
    """A list that leads are put on."""

    class Meta(Label.Meta):
        verbose_name = "list"
