"""The mails of dunning in the customer's language: what each says about an unpaid invoice. Pure.

`say` translates an English text with its values; the texts are labels of the catalogues of documents.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from billing.dunning.domain.states import StepKind

Say = Callable[..., str]


@dataclass(frozen=True, slots=True)
class LetterFacts:
    """What the letters name, ready to be read: amounts and days are texts in the customer's language.

    An empty text means that there is no such thing: no further charge, no suspension, no cancellation.
    """

    number: str
    amount: str
    plan: str
    due_day: str
    card: str = ""
    error: str = ""
    next_charge_day: str = ""
    suspension_day: str = ""
    cancellation_day: str = ""
    is_suspended: bool = False
    is_card_refused: bool = False
    bank_account: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail: its subject, its paragraphs, and the text of its link, which leads to the payment page."""

    subject: str
    paragraphs: list[str] = field(default_factory=list)
    button: str = ""


def letter_of(kind: StepKind, facts: LetterFacts, say: Say) -> Letter:
    """Return the mail of a step."""
    return {
        StepKind.NOTICE: _declined,
        StepKind.RETRY: _declined_again,
        StepKind.REMINDER: _reminder,
        StepKind.WARNING: _warning,
        StepKind.SUSPEND: _suspended,
        StepKind.CANCEL: _cancelled,
        StepKind.THANKS: _thanks,
    }[kind](facts, say)


def _declined(facts: LetterFacts, say: Say) -> Letter:
    return Letter(
        say("The payment of {number} failed", number=facts.number),
        [_charge(facts, say), *_reason(facts, say), *_ahead(facts, say)],
        say("Pay now"),
    )


def _declined_again(facts: LetterFacts, say: Say) -> Letter:
    return Letter(
        say("The payment of {number} failed again", number=facts.number),
        [_charge(facts, say), *_reason(facts, say), *_ahead(facts, say)],
        say("Pay now"),
    )


def _charge(facts: LetterFacts, say: Say) -> str:
    values = {"amount": facts.amount, "number": facts.number}
    if not facts.card:
        return say("{amount} for {number} could not be charged.", **values)
    return say("{amount} for {number} could not be charged to your {card}.", **values, card=facts.card)


def _reason(facts: LetterFacts, say: Say) -> list[str]:
    if facts.is_card_refused:
        return [say("Your bank refused this card for good. Please pay with another one.")]
    return [say("The reason given: {reason}", reason=facts.error)] if facts.error else []


def _ahead(facts: LetterFacts, say: Say) -> list[str]:
    """Return what happens next, and what to do."""
    told = []
    if facts.next_charge_day:
        told.append(
            say(
                "The card is charged again on {day}. You can pay with another card before that.",
                day=facts.next_charge_day,
            )
        )
    else:
        told.append(say("Please pay with the button below. You need not sign in."))
    return told + _consequences(facts, say)


def _consequences(facts: LetterFacts, say: Say) -> list[str]:
    told = []
    if facts.suspension_day:
        told.append(say("If it is still unpaid on {day}, the service is suspended.", day=facts.suspension_day))
    if facts.cancellation_day:
        told.append(say("If it is still unpaid on {day}, {plan} ends.", day=facts.cancellation_day, plan=facts.plan))
    return told


def _reminder(facts: LetterFacts, say: Say) -> Letter:
    told = [
        say("{amount} for {number} were due on {day}.", amount=facts.amount, number=facts.number, day=facts.due_day),
        say("If you have paid in the last few days, you need to do nothing."),
        *_transfer(facts, say),
        *_consequences(facts, say),
    ]
    return Letter(say("{number} is overdue", number=facts.number), told, say("Pay now"))


def _transfer(facts: LetterFacts, say: Say) -> list[str]:
    if not facts.bank_account:
        return []
    told = [say("For a transfer: {account}", account=facts.bank_account)]
    if facts.reference:
        told.append(say("Reference of the transfer: {reference}", reference=facts.reference))
    return told


def _warning(facts: LetterFacts, say: Say) -> Letter:
    told = [
        say(
            "{amount} for {number} are unpaid since {day}.", amount=facts.amount, number=facts.number, day=facts.due_day
        ),
        say("If it is still unpaid on {day}, {plan} ends.", day=facts.cancellation_day, plan=facts.plan),
        *_transfer(facts, say),
    ]
    subject = say("{plan} ends on {day}", plan=facts.plan, day=facts.cancellation_day)
    return Letter(subject, told, say("Pay now"))


def _suspended(facts: LetterFacts, say: Say) -> Letter:
    told = [
        say(
            "{amount} for {number} are unpaid since {day}.", amount=facts.amount, number=facts.number, day=facts.due_day
        )
    ]
    if facts.is_suspended:
        told.append(say("Requests with your API keys are refused until it is paid. Then they work again at once."))
    told += [*_transfer(facts, say), *_consequences(facts, say)]
    return Letter(say("Your service is suspended"), told, say("Pay now"))


def _cancelled(facts: LetterFacts, say: Say) -> Letter:
    told = [
        say("{plan} has ended because {number} was not paid.", plan=facts.plan, number=facts.number),
        say("{amount} remain due.", amount=facts.amount),
        *_transfer(facts, say),
    ]
    return Letter(say("{plan} has ended", plan=facts.plan), told, say("Pay now"))


def _thanks(facts: LetterFacts, say: Say) -> Letter:
    told = [say("Thank you. {number} is paid.", number=facts.number)]
    if facts.is_suspended:
        told.append(say("Your service works again."))
    return Letter(say("Thank you: {number} is paid", number=facts.number), told)
