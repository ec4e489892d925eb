"""Issuing an invoice again is one act: all of it or nothing, once, however many try it."""

import threading
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.errors import ProblemError
from billing.models import CreditNote, Invoice
from billing.selectors.invoicing.due import Due
from billing.services.documents.deliveries import deliver_documents
from billing.services.invoicing.drafting import draft_batch
from billing.services.invoicing.reissuing import preview_reissue
from tests.billing.after_change.test_row_06_issued_again import (
    APRIL,
    DAY,
    MARCH,
    MAY,
    again,
    differences,
    lines,
    move_to_reverse_charge,
    number_of,
    sold,
    void,
)
from tests.billing.services.invoicing.finalizing_held import FINALIZED, WORKED, while_finalizing
from tests.billing.world import GRACE

pytestmark = pytest.mark.django_db


def test_what_breaks_half_way_leaves_the_invoice_as_it_was() -> None:
    # The database refuses the replacement's row after the credit note was written: both are gone.
    sold()
    first = number_of(1)
    deliver_documents(as_of=APRIL + GRACE)
    taken = Invoice.objects.create(
        id="00000000-0000-0000-0000-000000000001", tenant_id=first.tenant_id, subscription_id=first.subscription_id,
        kind="replacement", original=first, replaces=first, currency="EUR", period_start=MARCH, period_end=APRIL,
        lines_digest="", drafted_at=APRIL, computed_at=APRIL, finalize_after=APRIL,
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="replaces"), transaction.atomic():
        again(first, APRIL + DAY)
    first.refresh_from_db()
    assert (first.status, first.credited_minor, CreditNote.objects.count()) == ("finalized", 0, 0)
    assert [str(row.pk) for row in first.replacements.all()] == [taken.pk]


@pytest.mark.django_db(transaction=True)
def test_what_is_just_being_finalized_comes_before_it_is_issued_again() -> None:
    # The draft of April is computed with the old tax, and waits for its number. Whoever looks without its lock sees
    # nothing that follows (the control); issuing again waits, and then issues that invoice again, too (R7).
    subscription, test, _ = sold()
    first = number_of(1)
    void(subscription.tenant, test, APRIL + DAY)
    draft_batch(as_of=MAY, due=Due())
    seen: list[Invoice] = []
    move_to_reverse_charge(subscription.tenant)
    ends = while_finalizing(
        MAY + GRACE,
        lambda: again(first, MAY + GRACE),
        looks=lambda: seen.extend(one.invoice for one in preview_reissue(invoice=first, as_of=MAY + GRACE)),
    )
    assert (ends, seen) == ([FINALIZED, WORKED], [first])
    [second] = Invoice.objects.filter(original=number_of(2))
    assert lines(number_of(2), "adjustment") == [(-5_000, "S 21")]
    assert lines(second, "adjustment") == [(-5_000, "AE 0")]
    assert differences(MAY + DAY) == []


@pytest.mark.django_db(transaction=True)
def test_of_two_members_of_staff_at_once_one_issues_it_again() -> None:
    sold()
    first = number_of(1)
    start, ends = threading.Barrier(2), []

    def work() -> None:
        try:
            start.wait(timeout=30)
            again(first, APRIL + DAY)
            ends.append("done")
        except ProblemError as error:
            ends.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(ends) == ["InvoiceStatusError", "done"]
    assert Invoice.objects.filter(kind="replacement").count() == 1
    assert differences(APRIL + 2 * DAY) == []


@pytest.mark.django_db(transaction=True)
def test_control_whoever_looks_without_the_lock_is_stopped_by_the_constraint_alone() -> None:
    # Both find that no invoice replaces this one, and both write: the second one is refused.
    sold()
    first = number_of(1)
    looked, ends = threading.Barrier(2), []

    def careless(number: int) -> None:
        try:
            assert not Invoice.objects.filter(replaces=first).exists()
            looked.wait(timeout=30)
            Invoice.objects.create(
                id=UUID(int=number), tenant_id=first.tenant_id, subscription_id=first.subscription_id,
                kind="replacement", original=first, replaces=first, currency="EUR", period_start=MARCH,
                period_end=APRIL, lines_digest="", drafted_at=APRIL, computed_at=APRIL, finalize_after=APRIL,
            )  # fmt: skip
            ends.append("done")
        except IntegrityError as error:
            ends.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=careless, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(ends) == ["IntegrityError", "done"]
