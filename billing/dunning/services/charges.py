"""A fee for a late payment, and interest: by the schedule of the seller alone, as a line of the next invoice.

Both are compensation and no supply, so they bear no tax. Without a next invoice nothing is charged.
"""

from datetime import datetime
from decimal import Decimal

from accounts.errors import ConflictError
from billing.desk.services.items import add_decided_item
from billing.domain.invoicing.items import Item
from billing.domain.money import money_text, round_to_minor, to_major
from billing.domain.tax import TaxCategory
from billing.dunning.domain.schedules import interest_minor
from billing.dunning.models import DunningCase
from billing.dunning.services.following import ACTOR
from billing.errors import SubscriptionChangedError
from billing.selectors.issuer import issuers_time_zone
from metering.domain.periods import local_day


def add_fee(case: DunningCase, as_of: datetime) -> str:
    """Add the schedule's fee to the next invoice; return the outcome. Raises `SubscriptionChangedError`."""
    schedule, invoice = case.schedule, case.invoice
    if schedule.fee is None:
        return "The schedule has no fee any more."
    if schedule.fee_currency != invoice.currency:
        return f"No fee: it is in {schedule.fee_currency}, and the invoice in {invoice.currency}."
    amount_minor = round_to_minor(schedule.fee, invoice.currency)
    return _add(case, amount_minor, f"Fee for the late payment of {invoice.number}", as_of)


def add_interest(case: DunningCase, as_of: datetime) -> str:
    """Add interest on an invoice that was paid late to the next one. Raises `SubscriptionChangedError`."""
    percent, invoice = case.schedule.interest_percent, case.invoice
    if percent is None:
        return "The schedule has no interest any more."
    assert invoice.due_on is not None, "it was issued"
    assert invoice.paid_at is not None, "interest follows a payment"
    amount_minor, days = interest_minor(
        invoice.total_minor - invoice.credited_minor,
        invoice.currency,
        percent_a_year=percent,
        due_on=invoice.due_on,
        paid_on=local_day(invoice.paid_at, issuers_time_zone()),
    )
    if not amount_minor:
        return "No interest: it was paid in time, or it comes to nothing."
    return _add(case, amount_minor, f"Interest for {days} days on {invoice.number}", as_of)


def _add(case: DunningCase, amount_minor: int, description: str, as_of: datetime) -> str:
    day = local_day(as_of, issuers_time_zone())
    item = Item(
        description, Decimal(1), "", to_major(amount_minor, case.invoice.currency), day, day,
        TaxCategory.OUT_OF_SCOPE.value,
    )  # fmt: skip
    try:
        add_decided_item(
            tenant_id=case.tenant_id, item=item, reason=f"Dunning schedule {case.schedule}.", actor=ACTOR, as_of=as_of
        )
    except SubscriptionChangedError:
        raise
    except ConflictError as error:
        return f"Not charged: {error.detail}"
    return f"Added to the next invoice: {money_text(amount_minor, case.invoice.currency)}."
