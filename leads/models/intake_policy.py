"""The columns of whatever leads come in by: what it makes of leads that are there already, and who gets new ones."""

from __future__ import annotations

from typing import Final

from django.db import models

# What becomes of a lead that is there already.
UPDATES: Final = (
    ("overwrite", "Overwrite with what came"),
    ("fill_empty", "Fill empty fields only"),
    ("mirror", "Overwrite, and empty what came empty"),
    ("keep", "Leave the lead as it is"),
)

PERSON: Final = "person"
IN_TURN: Final = "in_turn"
LEAST_LOADED: Final = "least_loaded"

# Who gets a new lead: see leads/assignment.py.
ASSIGNMENTS: Final = (
    (PERSON, "The owner chosen here, or nobody"),
    (IN_TURN, "The people of its office in turn"),
    (LEAST_LOADED, "Who has the fewest open leads in its office"),
)


class IntakePolicy(models.Model):
    """What leads/intake.py makes of it is intake.Policy."""

    # By which field a lead that is there already is known; "" makes each one that comes a new lead.
    match = models.CharField("recognise leads by", max_length=64, blank=True, default="")
    update = models.CharField("when the lead is there", max_length=10, choices=UPDATES, default=UPDATES[0][0])
    # Keys that keep the value they have.
    protected = models.JSONField("never overwrite", default=list, blank=True)
    assign = models.CharField("assign to", max_length=12, choices=ASSIGNMENTS, default=PERSON)

    class Meta:
        abstract = True
