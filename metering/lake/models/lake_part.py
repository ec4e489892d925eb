"""The parts and months that were copied to the lake and compared there."""

from typing import ClassVar

from django.db import models


class LakePart(models.Model):
    """A part of a table that the lake holds, with the content that was read back from it."""

    table = models.CharField(max_length=40)
    starts_on = models.DateField(help_text="The day, or the first day of the month.")
    rows = models.BigIntegerField()
    quantity = models.DecimalField(max_digits=65, decimal_places=12)
    voids = models.BigIntegerField(default=0)
    digest = models.DecimalField(max_digits=40, decimal_places=0, help_text="The sum of the digests of the rows.")
    files = models.PositiveIntegerField()
    bytes = models.BigIntegerField()
    sealed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["table", "starts_on"], name="lake_part_once"),
            models.CheckConstraint(condition=models.Q(rows__gte=0), name="lake_part_rows_not_negative"),
        ]
        ordering: ClassVar = ["table", "starts_on"]

    def __str__(self) -> str:
        return f"{self.table} {self.starts_on}"


class LakeMonth(models.Model):
    """A month whose parts are all in the lake. `events` is the number of its events, `voids` that of voided ones.

    Both only grow, so the ledger has changed since if and only if it has other numbers.
    """

    month = models.DateField(unique=True, help_text="The first day of the month, in UTC.")
    events = models.BigIntegerField()
    voids = models.BigIntegerField(default=0)
    sealed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(month__day=1), name="lake_month_is_first_day"),
        ]
        ordering: ClassVar = ["-month"]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"
