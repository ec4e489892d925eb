"""Signed days of tenants' ledgers. Rows are added, never changed: a trigger holds it for the owner, too."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Tenant
from metering.proofs.models.keys import ProofKey


class DayRoot(models.Model):
    """The signed root of one half of a tenant's ledger, of what was received on one day of UTC.

    Each day from the first has one, also without events. `late` of the leaves were received on the day before.
    `block_roots` are the roots of the day's blocks, 32 bytes each.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="day_roots", db_index=False)
    is_live = models.BooleanField()
    day = models.DateField()
    leaves = models.BigIntegerField()
    late = models.BigIntegerField(default=0)
    oldest_at = models.DateTimeField(null=True, help_text="The earliest time of an event in the tree.")
    root = models.BinaryField()
    block_roots = models.BinaryField()
    previous = models.BinaryField(help_text="The digest of the day before.")
    key = models.ForeignKey(ProofKey, on_delete=models.PROTECT, related_name="+", db_index=False)
    signature = models.BinaryField()
    signed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "is_live", "day"], name="day_root_once"),
            models.UniqueConstraint(fields=["tenant", "is_live", "previous"], name="day_root_chain_never_forks"),
            models.CheckConstraint(
                condition=Q(late__gte=0, leaves__gte=models.F("late")), name="day_root_late_leaves_are_leaves"
            ),
        ]
        ordering: ClassVar = ["-day", "tenant", "-is_live"]
        verbose_name = "signed day"

    def __str__(self) -> str:
        return f"{self.day} {'live' if self.is_live else 'test'}"


class LeafBlock(models.Model):
    """Up to 1,024 hashes of leaves of a day's tree, 32 bytes each, in the order of the tree."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", db_index=False)
    is_live = models.BooleanField()
    day = models.DateField()
    number = models.IntegerField()
    hashes = models.BinaryField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "is_live", "day", "number"], name="leaf_block_once"),
        ]
        ordering: ClassVar = ["day", "number"]

    def __str__(self) -> str:
        return f"{self.day} {self.number}"
