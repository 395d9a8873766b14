"""The base of what an account sets up for its leads: each write renews the account's token (leads/setup.py)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import models, router, transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from leads.changes import open_unit
from leads.models.account import Account, new_token


class AccountSetupQuerySet(models.QuerySet["AccountSetup"]):
    """Those writes that send no signals."""

    def update(self, **values: Any) -> int:
        self._for_write = True
        with transaction.atomic(self.db, savepoint=False):
            account_ids = set(self.order_by().values_list(self.model.account_path, flat=True))
            updated = super().update(**values)
            renew(account_ids, self.db)
        return updated

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:  # type: ignore[override]
        self._for_write = True
        with transaction.atomic(self.db, savepoint=False):
            created = super().bulk_create(objs, *args, **kwargs)
            account_ids = self.model._base_manager.using(self.db).filter(pk__in=[one.pk for one in created])
            renew(set(account_ids.order_by().values_list(self.model.account_path, flat=True)), self.db)
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]


class AccountSetup(models.Model):
    # The look-up of its account's id.
    account_path: ClassVar[str] = "account_id"

    objects = AccountSetupQuerySet.as_manager()

    class Meta:
        abstract = True

    def account_of(self, using: str) -> int | None:
        """The id of its account; None while a raw load has not brought what leads to it."""
        return getattr(self, "account_id", None)

    def save(self, *args: Any, using: str | None = None, **kwargs: Any) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using, savepoint=False):
            super().save(*args, using=using, **kwargs)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using, savepoint=False):
            return super().delete(using=using, keep_parents=keep_parents)


def renew(account_ids: Iterable[int | None], using: str) -> None:
    for account_id in filter(None, account_ids):
        Account.objects.using(using).filter(pk=account_id).update(setup_token=new_token())
        if work := open_unit(using):
            work.forget("setup", account_id)


@receiver((post_save, post_delete))
def renew_of(sender: type[models.Model], instance: Any, using: str, **kwargs: Any) -> None:
    if issubclass(sender, AccountSetup):
        renew([instance.account_of(using)], using)
