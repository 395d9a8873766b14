"""The shipped groups and what each may do.

Each app states its own permissions in a table and grants them after each migrate. So the shipped groups are whole again
after every migrate: who wants other rights makes a group of another name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

STAFF = "Staff"
MANAGER = "Manager"
AUDITOR = "Auditor"

_ALL = ("view", "add", "change", "delete")

# What an account sets up for its leads.
_SET_UP = ("pipeline", "tag", "leadlist", "campaign", "activitytype", "opportunitytype", "product")
# What is written down about leads, and about the companies that they belong to.
_WORK = ("message", "company", "activity", "companyactivity", "opportunity", "task")

LEADS: Mapping[str, Mapping[str, Sequence[str]]] = {
    STAFF: {
        **dict.fromkeys(_WORK, ("view", "add", "change")),
        # It can be undone.
        "lead": ("view", "add", "change", "merge", "import", "export"),
        "leave": ("view",),
        "office": ("view",),
        "form": ("view",),
        # Tags come into being by being put on a lead.
        **dict.fromkeys(_SET_UP, ("view",)),
    },
    MANAGER: {
        **dict.fromkeys((*_WORK, "leave"), _ALL),
        "lead": (*_ALL, "merge", "import", "export"),
        **dict.fromkeys((*_SET_UP, "customfield"), _ALL),
        "office": _ALL,
        "form": _ALL,
        "account": ("view",),
        "user": _ALL,
        "membership": _ALL,
        "apikey": _ALL,
    },
    AUDITOR: {
        **dict.fromkeys(("lead", *_WORK, "leave", *_SET_UP, "customfield"), ("view",)),
        "office": ("view",),
        "form": ("view",),
        "account": ("view",),
        "user": ("view",),
        "membership": ("view",),
        "apikey": ("view",),
    },
}


def grant(app_label: str, table: Mapping[str, Mapping[str, Sequence[str]]], using: str) -> None:
    """Give every group of the table its permissions: {group: {model: verbs}}, a verb being view, replay, ..."""
    from django.contrib.auth.models import Group, Permission

    known = {
        permission.codename: permission
        for permission in Permission.objects.using(using).filter(content_type__app_label=app_label)
    }
    for name, models in table.items():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        group.permissions.add(*(known[f"{verb}_{model}"] for model, verbs in models.items() for verb in verbs))


def grant_all(app_config: Any, using: str, **kwargs: Any) -> None:
    """post_migrate of the leads app. Another receiver of the signal makes the permissions: hence called first here."""
    from django.contrib.auth.management import create_permissions

    create_permissions(app_config, verbosity=0, using=using)
    grant("leads", LEADS, using)
