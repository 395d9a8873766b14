"""The base of what an account sets up, for its leads and for who hears of them: each write renews the account's token
(leads/setup.py).

Accounts are locked before anything of theirs, so that two writers cannot wait for each other."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, ClassVar

from django.db import DEFAULT_DB_ALIAS, models, router, transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from leads.changes import open_unit
from leads.models.account import Account, new_token

_ACCOUNT = ("account", "account_id")


class AccountSetupQuerySet(models.QuerySet["AccountSetup"]):
    """Those writes that send no signals."""

    def update(self, **values: Any) -> int:
        self._for_write = True
        with transaction.atomic(self.db, savepoint=False):
            if not self.model.is_kept(values):
                return super().update(**values)
            account_ids = set(self.order_by().values_list(self.model.account_path, flat=True))
            # Where it is given to another account, both.
            account_ids |= {getattr(value, "pk", value) for key, value in values.items() if key in _ACCOUNT}
            lock(account_ids, self.db)
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

    @classmethod
    def is_kept(cls, columns: Collection[str] | None) -> bool:
        """Whether anything that is kept in memory follows from one of these columns; None: from any."""
        return True

    def account_of(self, using: str) -> int | None:
        """The id of its account; None while a raw load has not brought what leads to it."""
        return getattr(self, "account_id", None)

    def save(self, *args: Any, using: str | None = None, update_fields: Any = None, **kwargs: Any) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using, savepoint=False):
            if self.is_kept(update_fields):
                lock([self.account_of(using)], using)
            super().save(*args, using=using, update_fields=update_fields, **kwargs)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using, savepoint=False):
            lock([self.account_of(using)], using)
            return super().delete(using=using, keep_parents=keep_parents)


def lock(account_ids: Iterable[int | None], using: str = DEFAULT_DB_ALIAS) -> None:
    """Let nobody else renew the tokens of these accounts until the transaction ends."""
    known = set(filter(None, account_ids))
    list(Account.objects.using(using).select_for_update(no_key=True).filter(pk__in=known).order_by("pk"))


def renew(account_ids: Iterable[int | None], using: str) -> None:
    for account_id in filter(None, account_ids):
        Account.objects.using(using).filter(pk=account_id).update(setup_token=new_token())
        if work := open_unit(using):
            work.forget("setup", account_id)


@receiver((post_save, post_delete))
def renew_of(
    sender: type[models.Model], instance: Any, using: str, update_fields: Collection[str] | None = None, **kwargs: Any
) -> None:
    if issubclass(sender, AccountSetup) and sender.is_kept(update_fields):
        renew([instance.account_of(using)], using)
