"""Lives of a year each, by the real services, equal to the plain calculation to the smallest unit.

Two dozen in `make test`, a thousand others by `make soak ARGS=lives`. Hypothesis takes some numbers from the modules
that are imported, so the two dozen are others in a run of the whole suite than in a run of this file alone. A life that
differed once is kept here.
"""

import time
from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from billing.models import PlanVersion
from billing.verification.selectors.ledger import untied_books
from metering.services.partitions import ensure_partitions
from tests.scenarios.lives import BEGIN, OVER, SCRIPTS, Act, LivedLife, Script, expected, live, make_catalog, stated

pytestmark = [pytest.mark.django_db, pytest.mark.as_owner]


def batches(size: int) -> st.SearchStrategy[list[Script]]:
    """Return the lives of one example: invoicing takes them in one batch."""
    return st.lists(SCRIPTS, min_size=size, max_size=size)


UNCHECKED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
TWO_DOZEN = settings(  # of which Hypothesis has the first dozen as plain as can be
    max_examples=2, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=UNCHECKED
)
THOUSAND = settings(max_examples=40, deadline=None, phases=[Phase.generate], suppress_health_check=UNCHECKED)
GIVEN_UP_LATER = Script(date(2027, 1, 1), "Asia/Beirut", "JPY", "team", (
    Act(1500, "move", 220, 196), Act(2206, "pay"), Act(3571, "use", 186, 211), Act(6806, "move", 125, 101),
    Act(28544, "move at end", 90, 27), Act(44742, "void event", 52, 176), Act(90014, "move", 67, 204),
    Act(125747, "give up", 8, 251), Act(131073, "give up", 217, 160),
))  # fmt: skip
TAKEN_BACK_TWICE = Script(date(2027, 1, 31), "Asia/Kolkata", "KWD", "scale", (
    Act(40383, "move", 51, 160), Act(46815, "move", 69, 244), Act(143253, "void", 34, 143),
    Act(268571, "void", 176, 255),
))  # fmt: skip

WITHHELD_WHERE_FEES_ARE_KEPT = Script(date(2027, 1, 15), "Asia/Beirut", "JPY", "volume", (
    Act(36071, "trip", 209, 163), Act(42126, "give up", 218, 146), Act(69171, "pay", 22, 48),
    Act(78134, "pay", 200, 71),
))  # fmt: skip
KEPT_OF_A_FEE_THAT_IS_CREDITED = Script(date(2027, 1, 31), "Asia/Beirut", "JPY", "team", (
    Act(17018, "move", 157, 105), Act(36070, "trip", 8, 226), Act(59918, "credit", 129, 101),
))  # fmt: skip


@pytest.fixture
def catalog(settings: Settings) -> dict[str, PlanVersion]:
    settings.ABSURD_INVOICE_FLOOR = 10**12  # months of such lives differ by more than a person would let pass
    # Here, since what a life makes of them goes with its transaction.
    ensure_partitions(first=BEGIN.date() - timedelta(days=40), last=OVER.date())
    return make_catalog()


def check(life: LivedLife) -> None:
    right, told = expected(life.plain), stated(life)
    for boundary in sorted({*told.documents, *right.documents}):
        lived, must = told.documents.get(boundary, []), right.documents.get(boundary, [])
        is_nothing = not lived and len(must) == 1 and not must[0].amounts
        assert is_nothing or lived == must, f"boundary {boundary} of {life.script}"
    assert told.notes == right.notes, f"credit notes of {life.script}"


def check_together(scripts: Sequence[Script], catalog: dict[str, PlanVersion], *, gives_back: bool) -> None:
    with transaction.atomic():
        for life in live(scripts, catalog, gives_back=gives_back):
            check(life)
        assert untied_books() == []
        transaction.set_rollback(True)


@pytest.mark.takes_long("it lives through years")
def test_lives_that_the_plain_calculation_once_had_wrong_cost_what_it_says_now(catalog: dict[str, PlanVersion]) -> None:
    # What was given back of an invoice that is given up later is not charged: it charged 9 on boundary 4 (rule F4).
    # Unused time of a fee that is void is taken back until it stands: the invoice that took it back was void, too (F3).
    check_together([GIVEN_UP_LATER, TAKEN_BACK_TWICE], catalog, gives_back=True)


@pytest.mark.takes_long("it lives through years")
def test_what_depends_on_a_fee_comes_and_goes_with_it_also_where_fees_are_kept(
    catalog: dict[str, PlanVersion],
) -> None:
    # Lives that conservation had right and the product wrong (P6): a fee that was given up and paid after all was paid
    # with its rest on top, and of a fee that was credited more was charged than it had given back.
    check_together([WITHHELD_WHERE_FEES_ARE_KEPT, KEPT_OF_A_FEE_THAT_IS_CREDITED], catalog, gives_back=False)


@given(scripts=batches(12), gives_back=st.booleans())
@TWO_DOZEN
@pytest.mark.takes_long("two dozen customers live for a year")
def test_two_dozen_lives_cost_what_the_plain_calculation_says(
    catalog: dict[str, PlanVersion], scripts: list[Script], gives_back: bool
) -> None:
    check_together(scripts, catalog, gives_back=gives_back)


@pytest.mark.soak
def test_a_thousand_lives_cost_what_the_plain_calculation_says(catalog: dict[str, PlanVersion]) -> None:
    started, lived = time.monotonic(), 0

    @given(scripts=batches(25), gives_back=st.booleans())
    @THOUSAND
    def batch(scripts: list[Script], gives_back: bool) -> None:
        nonlocal lived
        check_together(scripts, catalog, gives_back=gives_back)
        lived += len(scripts)
        print(f"{lived:,} lives equal after {time.monotonic() - started:,.0f} s", flush=True)

    batch()
