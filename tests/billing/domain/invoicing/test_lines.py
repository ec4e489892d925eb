"""Whatever becomes of documents, the lines in force and the open amounts sum to what is owed."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from billing.domain.invoicing.lines import InvoicedUsage
from billing.domain.invoicing.state import InvoicedFee, open_again
from tests.billing.domain.states import invoiced, used


@dataclass
class Line:
    """A usage line or an adjustment, and what became of its document."""

    amount_minor: int
    is_gone: bool = False


def known_of(lines: Sequence[Line]) -> InvoicedUsage:
    """Return what the selectors return of stored lines. What a document not in force gave back is left out."""
    counted = [line for line in lines if not (line.is_gone and line.amount_minor < 0)]
    forgiven = sum(line.amount_minor for line in counted if line.is_gone)
    amount = sum(line.amount_minor for line in counted)
    return invoiced(used(0), used(0), amount, forgiven_minor=forgiven, is_touched=True)


MONTHS = st.lists(st.tuples(st.integers(0, 10_000), st.sets(st.integers(0, 12))), min_size=1, max_size=12)


@given(MONTHS)
def test_over_any_voids_and_corrections_lines_in_force_sum_to_what_is_owed(months: list[tuple[int, set[int]]]) -> None:
    # In each month usage changes, and staff void some of the documents so far, for good.
    lines: list[Line] = []
    for costs_minor, voided in months:
        lines.append(Line(known_of(lines).difference_minor(costs_minor)))
        stands = sum(line.amount_minor for line in lines if not line.is_gone)
        forgiven = sum(line.amount_minor for line in lines if line.is_gone and line.amount_minor > 0)
        assert stands == max(costs_minor - forgiven, 0)
        for position in voided & set(range(len(lines))):
            lines[position].is_gone = True
        # Again at the same costs: the open amount closes the gap, and then nothing is open.
        open_minor = known_of(lines).difference_minor(costs_minor)
        assert known_of([*lines, Line(open_minor)]).difference_minor(costs_minor) == 0


@given(st.integers(-10_000, -1), st.lists(st.sets(st.integers(0, 10)), max_size=8), st.booleans())
def test_over_any_voids_a_share_of_a_fee_is_given_back_once(
    given_minor: int, months: list[set[int]], is_forgiven: bool
) -> None:
    fee = InvoicedFee(1, None, is_forgiven=is_forgiven)
    lines = [Line(given_minor)]
    for voided in months:
        for position in voided & set(range(len(lines))):
            lines[position].is_gone = True
        stands = sum(line.amount_minor for line in lines if not line.is_gone)
        lines.append(Line(open_again(given_minor, stands_minor=stands, fee=fee)))
        assert sum(line.amount_minor for line in lines if not line.is_gone) == (0 if is_forgiven else given_minor)
