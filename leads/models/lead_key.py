"""What leads are known by when they come in: one row for each value, so that two posts of one person meet in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Self

from django.db import DEFAULT_DB_ALIAS, connections, models

from leads import statement
from leads.models.account import Account
from leads.models.lead import Lead

# (field, digest): a key of the catalogue or custom_fields.<key>, and the digest of the value's key.
Pair = tuple[str, str]


class LeadKey(models.Model):
    """A value of one field, as a digest. Whoever brings a lead in locks it first (leads/recognition.py).

    Where no two leads may have the same value (leads/unique.py), `lead` is the one that had it last: whether it still
    has it, its row says.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    # A key of the catalogue, or custom_fields.<key>.
    field = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="keys", null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "field", "digest"], name="lead_key_once_per_account")]

    def __str__(self) -> str:
        return f"{self.field} {self.digest[:8]}"

    @classmethod
    def hold(
        cls, account_id: int, wanted: Mapping[Pair, int | None], using: str = DEFAULT_DB_ALIAS
    ) -> dict[Pair, Self]:
        """These rows, ours until the transaction ends; those that are not there yet are made, of the lead given.

        Rows, because what is not there yet cannot be locked; in one order for everybody, so that two writers do not
        wait for each other.
        """
        found: dict[Pair, Self] = {}
        while missing := sorted(wanted.keys() - found.keys()):
            new = [(account_id, *one, wanted[one]) for one in missing]
            statement.add(cls._meta.db_table, ("account_id", "field", "digest", "lead_id"), new, using)
            rows = cls.among(account_id, missing, using).order_by("field", "digest")
            if connections[using].features.has_select_for_update:
                rows = rows.select_for_update(of=("self",))
            # One may be gone again, with the lead whose it was.
            found |= {pair: row for row in rows if (pair := (row.field, row.digest)) in wanted}
        return found

    @classmethod
    def among(cls, account_id: int, pairs: Collection[Pair], using: str = DEFAULT_DB_ALIAS) -> models.QuerySet[Self]:
        """The rows of these pairs. There may be others among them, of one's field and another one's digest."""
        fields, digests = {field for field, _ in pairs}, {digest for _, digest in pairs}
        return cls.objects.using(using).filter(account_id=account_id, field__in=fields, digest__in=digests)
