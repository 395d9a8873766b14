"""Tags: /api/v1/tags and .../{id}."""

from __future__ import annotations

from leads.api.labels import SCOPES, LabelResource
from leads.api.permissions import MANY, ONE, needs
from leads.api.resource import Many, One
from leads.models import Tag


class Tags(LabelResource, Many):
    model = Tag
    needs = needs("tag", *SCOPES, MANY)


class OneTag(LabelResource, One):
    model = Tag
    needs = needs("tag", *SCOPES, ONE)
