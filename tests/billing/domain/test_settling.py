"""What is due is paid from the oldest money first, and never by more than is due or left."""

from hypothesis import given
from hypothesis import strategies as st

from billing.domain.settling import shares_for

MONEY = st.lists(st.integers(0, 10_000), max_size=8)


def test_the_oldest_money_is_used_first() -> None:
    assert shares_for(150, [("a", 100), ("b", 0), ("c", 80), ("d", 5)]) == [("a", 100), ("c", 50)]
    assert shares_for(0, [("a", 100)]) == []


@given(st.integers(0, 50_000), MONEY)
def test_shares_sum_to_what_is_due_or_to_all_that_is_left(due_minor: int, left: list[int]) -> None:
    shares = shares_for(due_minor, list(enumerate(left)))
    assert sum(amount for _, amount in shares) == min(due_minor, sum(left))
    assert all(0 < amount <= left[key] for key, amount in shares)
