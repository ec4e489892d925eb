"""Numbers without a gap, from a locked counter in the finalizing transaction: a rollback takes them back."""

from datetime import date

from django.db import connection

from billing.models import NumberSeries


def take_numbers(*, prefix: str, issued_on: date, count: int) -> list[str]:
    """Return the next numbers of the year's series, as in INV-2026-000042.

    The series stays locked until the transaction ends.
    """
    assert connection.in_atomic_block, "a number is given in the transaction that uses it"
    if not count:
        return []
    code = f"{prefix}-{issued_on.year}"
    NumberSeries.objects.bulk_create([NumberSeries(code=code)], ignore_conflicts=True)
    series = NumberSeries.objects.select_for_update().get(code=code)
    first = series.last_number + 1
    NumberSeries.objects.filter(code=code).update(last_number=series.last_number + count)
    return [f"{code}-{number:06}" for number in range(first, first + count)]
