"""Where other apps add to the lead's page. leads knows none of them: they register when their admin is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from django.utils.safestring import SafeString

from leads.models import Lead


@dataclass(frozen=True, slots=True)
class Panel:
    """A card in the aside, or a tab beside Details.

    body   safe HTML; a card's body stands below its head, a tab's body is the whole of the tab
    slug   of a tab: the part of the address behind "#"
    more   of a card: (text, address) of the link at the right of its head
    past   it tells what happened: it also stands on the page of a lead that was merged into another one
    """

    title: str
    body: SafeString
    place: Literal["aside", "tab"] = "aside"
    slug: str = ""
    more: tuple[str, str] | None = None
    past: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One stored change of a lead: the version it made, who and when, and {catalogue key: (before, after)}."""

    version: int
    who: str
    when: datetime
    changes: Mapping[str, tuple[Any, Any]]


PanelMaker = Callable[[HttpRequest, Lead], Panel | None]
Note = Callable[[HttpRequest, Lead, int], SafeString | str | None]
History = Callable[[Lead, int], list[Step]]

_panels: list[PanelMaker] = []
_notes: list[Note] = []
_histories: list[History] = []


def register_panel(maker: PanelMaker) -> PanelMaker:
    """maker(request, lead) is asked whenever the page of a stored lead is shown; None shows nothing."""
    _panels.append(maker)
    return maker


def register_note(note: Note) -> Note:
    """note(request, lead, version before) adds a sentence to the message after a save; it is asked after COMMIT.

    0 is the version before of a new lead.
    """
    _notes.append(note)
    return note


def register_history(history: History) -> History:
    """history(lead, version) tells the steps after that version, oldest first, to somebody who saves over them."""
    _histories.append(history)
    return history


def panels(request: HttpRequest, lead: Lead) -> list[Panel]:
    made = [panel for maker in _panels if (panel := maker(request, lead)) is not None]
    return [panel for panel in made if panel.past or lead.merged_into_id is None]


def notes(request: HttpRequest, lead: Lead, before: int) -> list[SafeString | str]:
    return [words for note in _notes if (words := note(request, lead, before))]


def steps_since(lead: Lead, version: int) -> list[Step]:
    return [step for history in _histories for step in history(lead, version)]
