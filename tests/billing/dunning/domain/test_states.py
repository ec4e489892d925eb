"""The transitions of a case: what is settled stays settled."""

from billing.dunning.domain.states import CASE_TRANSITIONS, UNPAID_STATUSES, CaseStatus


def test_a_case_that_is_settled_stays_so_and_one_without_steps_can_still_be_paid() -> None:
    assert CASE_TRANSITIONS.keys() == set(CaseStatus)
    for status in CaseStatus:
        assert bool(CASE_TRANSITIONS[status]) == (status in UNPAID_STATUSES)
    assert CaseStatus.OPEN not in CASE_TRANSITIONS[CaseStatus.EXHAUSTED]
