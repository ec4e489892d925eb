"""Numbers without a gap, from a locked counter in the finalizing transaction: a rollback takes them back."""

from collections.abc import Sequence
from datetime import date

from django.db import connection

from billing.domain.documents import STATEMENT_PREFIX
from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.taxes import merchant_of
from billing.models import Invoice, Issuer, NumberSeries


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


def take_numbers_for(computed: Sequence[ComputedInvoice], *, issuer: Issuer, issued_on: date) -> list[str]:
    """Return a number for each document, in their order: statements of what a merchant sold have their own series.

    Both series stay locked until the transaction ends, always in this order.
    """
    is_statement = [bool(merchant_of(one.taxes)) for one in computed]
    return _of_two_series(is_statement, prefix=issuer.invoice_prefix, issued_on=issued_on)


def take_credit_numbers(invoices: Sequence[Invoice], *, issuer: Issuer, issued_on: date) -> list[str]:
    """Return a number for the credit of each invoice, in their order; that of a statement is in the statements' series.

    Both series stay locked until the transaction ends, always in this order.
    """
    is_statement = [bool(invoice.merchant_of_record) for invoice in invoices]
    return _of_two_series(is_statement, prefix=issuer.credit_note_prefix, issued_on=issued_on)


def _of_two_series(is_statement: Sequence[bool], *, prefix: str, issued_on: date) -> list[str]:
    ours = take_numbers(prefix=prefix, issued_on=issued_on, count=len(is_statement) - sum(is_statement))
    statements = take_numbers(prefix=STATEMENT_PREFIX, issued_on=issued_on, count=sum(is_statement))
    series = {False: iter(ours), True: iter(statements)}
    return [next(series[is_one]) for is_one in is_statement]
