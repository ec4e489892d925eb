"""What the mails say: each step's facts, in words of every language."""

import pytest

from billing.domain.languages import LANGUAGES
from billing.dunning.domain.letters import LetterFacts, letter_of
from billing.dunning.domain.states import StepKind
from billing.rendering.services.language import IN_ENGLISH, language_named

FACTS = LetterFacts(
    "INV-2026-000007", "240.79 EUR", "Scale", "1 March 2026", card="Visa ending in 4242",
    error="Your card has insufficient funds.", next_charge_day="4 March 2026", suspension_day="15 March 2026",
    cancellation_day="31 March 2026", bank_account="DE89 3704 0044 0532 0130 00", reference="RF18 5390",
)  # fmt: skip
MAILED = [
    StepKind.NOTICE, StepKind.RETRY, StepKind.REMINDER, StepKind.WARNING, StepKind.SUSPEND, StepKind.CANCEL,
    StepKind.THANKS,
]  # fmt: skip


def text_of(kind: StepKind, facts: LetterFacts = FACTS) -> str:
    letter = letter_of(kind, facts, IN_ENGLISH.say)
    return "\n".join([letter.subject, *letter.paragraphs])


@pytest.mark.parametrize("code", sorted(set(LANGUAGES) - {"en"}))
@pytest.mark.parametrize("kind", MAILED)
def test_each_mail_is_in_each_language_with_the_same_facts(kind: StepKind, code: str) -> None:
    english, told = letter_of(kind, FACTS, IN_ENGLISH.say), letter_of(kind, FACTS, language_named(code).say)
    assert told.subject != english.subject
    assert len(told.paragraphs) == len(english.paragraphs)
    for ours, theirs in zip(english.paragraphs, told.paragraphs, strict=True):
        assert ours != theirs, ours
        for fact in (FACTS.number, FACTS.amount, FACTS.cancellation_day, FACTS.card):
            assert (fact in ours) == (fact in theirs)
    assert bool(told.button) == bool(english.button)


def test_a_declined_card_is_told_with_its_reason_and_what_happens_next() -> None:
    told = text_of(StepKind.NOTICE)
    assert "240.79 EUR for INV-2026-000007 could not be charged to your Visa ending in 4242." in told
    assert "insufficient funds" in told
    assert "charged again on 4 March 2026" in told
    assert "unpaid on 31 March 2026, Scale ends" in told
    bare = text_of(StepKind.RETRY, LetterFacts("INV-1", "1 EUR", "Scale", "today", is_card_refused=True))
    assert "could not be charged." in bare
    assert "pay with another one" in bare
    assert "need not sign in" in bare


def test_a_suspension_says_whether_keys_are_refused_and_thanks_whether_they_work_again() -> None:
    assert "refused" not in text_of(StepKind.SUSPEND)
    suspended = LetterFacts("INV-1", "1 EUR", "Scale", "today", is_suspended=True)
    assert "refused until it is paid" in text_of(StepKind.SUSPEND, suspended)
    assert "works again" in text_of(StepKind.THANKS, suspended)
    assert "works again" not in text_of(StepKind.THANKS)
    assert letter_of(StepKind.THANKS, FACTS, IN_ENGLISH.say).button == ""


def test_a_transfer_is_reminded_with_the_account_and_the_reference() -> None:
    assert "DE89 3704 0044 0532 0130 00" in text_of(StepKind.REMINDER)
    assert "RF18 5390" in text_of(StepKind.REMINDER)
    assert "transfer" not in text_of(StepKind.REMINDER, LetterFacts("INV-1", "1 EUR", "Scale", "today"))
