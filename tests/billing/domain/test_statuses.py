"""Which status may follow which, and that an end is final."""

from billing.domain.statuses import (
    INVOICE_TRANSITIONS,
    LIVE_STATUSES,
    SUBSCRIPTION_TRANSITIONS,
    InvoiceStatus,
    SubscriptionStatus,
    statuses_before,
)


def test_every_status_has_its_row() -> None:
    assert set(SUBSCRIPTION_TRANSITIONS) == set(SubscriptionStatus)
    assert set(INVOICE_TRANSITIONS) == set(InvoiceStatus)


def test_a_subscription_that_was_cancelled_stays_cancelled_and_each_other_may_be() -> None:
    assert not SUBSCRIPTION_TRANSITIONS[SubscriptionStatus.CANCELLED]
    assert statuses_before(SUBSCRIPTION_TRANSITIONS, SubscriptionStatus.CANCELLED) == LIVE_STATUSES


def test_a_trial_becomes_active_but_nothing_becomes_a_trial() -> None:
    assert not statuses_before(SUBSCRIPTION_TRANSITIONS, SubscriptionStatus.TRIALING)
    assert SubscriptionStatus.PAST_DUE not in SUBSCRIPTION_TRANSITIONS[SubscriptionStatus.TRIALING]


def test_no_invoice_becomes_a_draft_again_and_a_void_one_stays_void() -> None:
    assert not statuses_before(INVOICE_TRANSITIONS, InvoiceStatus.DRAFT)
    # A payment may be taken back.
    assert INVOICE_TRANSITIONS[InvoiceStatus.PAID] == {InvoiceStatus.FINALIZED}
    assert not INVOICE_TRANSITIONS[InvoiceStatus.VOID]


def test_an_uncollectible_invoice_may_still_be_paid() -> None:
    before = statuses_before(INVOICE_TRANSITIONS, InvoiceStatus.PAID)
    assert before == {InvoiceStatus.FINALIZED, InvoiceStatus.UNCOLLECTIBLE}
