"""The base of what an account sets up for its leads: each write renews the account's token (leads/setup.py)."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from leads.changes import open_unit
from leads.models.account import Account, new_token


class SetUp(models.Model):
    class Meta:
        abstract = True

    def owner_id(self) -> int:
        """The account's id."""
        raise NotImplementedError


@receiver((post_save, post_delete))
def renew(sender: type[models.Model], instance: Any, using: str, **kwargs: Any) -> None:
    if issubclass(sender, SetUp):
        account_id = instance.owner_id()
        Account.objects.using(using).filter(pk=account_id).update(setup_token=new_token())
        if work := open_unit(using):
            work.memo.pop(("setup", account_id), None)
