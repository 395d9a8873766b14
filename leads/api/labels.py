"""What tags, lists and campaigns have in common: an id, and a name that is there once however it is capitalised."""

from __future__ import annotations

from typing import Final

from leads.api.resource import Resource
from leads.api.shape import key_of
from leads.models.apikey import Scope as KeyScope
from leads.models.labels import Label

SCOPES: Final = (KeyScope.SETUP_READ, KeyScope.SETUP_WRITE)


class LabelResource(Resource):
    """To delete one changes the leads that have it, and is told of each of them."""

    keys = (key_of(Label, "name"),)
    unique = "name"
