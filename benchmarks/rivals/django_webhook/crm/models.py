"""The record whose saves are sent."""

from django.db import models


class Lead(models.Model):
    # What the engine sends of a lead, so that the requests are of one size.
    document = models.JSONField()
