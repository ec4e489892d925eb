"""A statement pays the invoices that it names, once, however often and in whatever format it is imported."""

from collections.abc import Callable, Sequence

import pytest

from accounts.domain.actor import Actor
from billing.banking.errors import StatementError, StatementKnownError
from billing.banking.models import BankEntry, BankStatement
from billing.banking.services import importing
from billing.banking.services.importing import import_statement, pay_open_entries
from billing.domain.transfers import creditor_reference
from billing.dunning.models import DunningCase
from billing.models import Invoice, Payment
from billing.services.subscriptions.standing import refresh_overdue
from tests.billing.banking.files import Line, camt, csv_file, mt940
from tests.billing.dunning.unpaid import OVERDUE_AT
from tests.billing.world import STAFF, finalized_invoices
from tests.races import at_once

pytestmark = pytest.mark.django_db
BO = Actor.system("bo@example.org")


def lines_for(invoices: list[Invoice]) -> list[Line]:
    """Return four transfers: by reference, by number, by name, and one that says nothing."""
    by_reference, by_number, by_name, _ = invoices
    return [
        Line("49.00", "thank you", "someone else", creditor_reference(str(by_reference.number))),
        Line("49.00", f"invoice {by_number.number}", "someone else"),
        Line("49.00", "march", by_name.tenant.name),
        Line("49.00", "march", "an unknown payer"),
        Line("-5.00", "fees of the account"),
    ]


@pytest.mark.parametrize("write", [camt, mt940, csv_file])
def test_a_statement_pays_three_of_four_invoices(write: Callable[[Sequence[Line]], bytes]) -> None:
    invoices = list(finalized_invoices(4))
    refresh_overdue(as_of=OVERDUE_AT)

    done = import_statement(content=write(lines_for(invoices)), file_name="march.xml", actor=BO, as_of=OVERDUE_AT)

    assert (done.new, done.assigned, done.waiting, done.known) == (5, 3, 1, 0)
    assert [Invoice.objects.get(pk=one.pk).status for one in invoices] == ["paid"] * 3 + ["finalized"]
    found = BankEntry.objects.order_by("pk").values_list("status", "matched_by")
    assert list(found) == [
        ("assigned", "reference"),
        ("assigned", "number"),
        ("assigned", "name"),
        ("open", ""),
        ("aside", ""),
    ]
    assert list(DunningCase.objects.order_by("invoice__number").values_list("status", flat=True)) == [
        "recovered", "recovered", "recovered", "open",
    ]  # fmt: skip


def test_the_same_file_is_refused_and_an_overlapping_one_pays_nothing_twice() -> None:
    invoices = list(finalized_invoices(4))
    lines = lines_for(invoices)
    first = camt(lines)
    import_statement(content=first, file_name="a", actor=BO, as_of=OVERDUE_AT)
    with pytest.raises(StatementKnownError):
        import_statement(content=first, file_name="b", actor=BO, as_of=OVERDUE_AT)

    later = [*lines, Line("49.00", "late", "x", creditor_reference(str(invoices[3].number)))]
    done = import_statement(content=camt(later), file_name="c", actor=BO, as_of=OVERDUE_AT)

    assert (done.new, done.assigned, done.known, done.waiting) == (1, 1, 5, 0)
    assert Payment.objects.count() == 4
    assert BankStatement.objects.count() == 2


def test_an_import_that_was_killed_is_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    invoices = list(finalized_invoices(4))
    calls = []

    class KilledError(BaseException):
        """The process ends here."""

    real = importing.assign_matched

    def die(**call: object) -> bool:
        calls.append(call)
        if len(calls) == 2:
            raise KilledError
        return real(**call)

    with monkeypatch.context() as killed:
        killed.setattr(importing, "assign_matched", die)
        with pytest.raises(KilledError):
            import_statement(content=camt(lines_for(invoices)), file_name="a", actor=BO, as_of=OVERDUE_AT)
    assert Payment.objects.count() == 1
    statement = BankStatement.objects.get()
    assert pay_open_entries(statement=statement, actor=BO, as_of=OVERDUE_AT) == 2
    assert pay_open_entries(statement=statement, actor=BO, as_of=OVERDUE_AT) == 0
    assert Payment.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_two_who_import_the_same_file_at_once_pay_once() -> None:
    content = camt(lines_for(list(finalized_invoices(4))))
    ends = at_once(*[lambda: import_statement(content=content, file_name="a", actor=STAFF, as_of=OVERDUE_AT)] * 3)
    assert ends == ["StatementKnownError", "StatementKnownError", "done"]
    assert Payment.objects.count() == 3


def test_a_file_that_cannot_be_read_leaves_nothing() -> None:
    with pytest.raises(StatementError):
        import_statement(content=b"<a/>", file_name="a", actor=BO, as_of=OVERDUE_AT)
    assert not BankStatement.objects.exists()
