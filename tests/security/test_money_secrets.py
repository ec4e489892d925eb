"""After a life at Stripe and one at Paddle: no card's number and no provider's secret in a dump, the log or a mail."""

import logging
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from accounts.notices.services.mails import send_queued_mails
from billing.dunning.services.running import run_due_steps
from billing.services.documents.deliveries import deliver_documents
from config.workbench.fakepaddle.server import FakePaddle
from config.workbench.fakestripe.cards import CARDS
from config.workbench.fakestripe.server import FakeStripe
from tests.billing.collection.paddle_world import buyer
from tests.billing.collection.stripe_world import make_buyer, make_endpoint
from tests.billing.world import make_plan
from tests.fakepaddle import fixture as paddle
from tests.fakestripe import fixture as stripe
from tests.faults.paddle_storm import PaddleLife
from tests.faults.stripe_storm import Life, live_calmly
from tests.security.test_secrets import Lines, kept

pytestmark = pytest.mark.django_db
SECRETS = (stripe.SECRET_KEY, stripe.WEBHOOK_SECRET, paddle.API_KEY, paddle.WEBHOOK_SECRET)
# As it was typed, and in groups of four.
CARD_NUMBERS = re.compile("|".join(r"[ -]?".join(card.number) for card in CARDS))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Return the lines of the log, down to each call of a provider."""
    handler, root = Lines(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(before)


def found_in(text: str) -> list[str]:
    """List which secrets, and which numbers of cards, a text has."""
    return [*(secret for secret in SECRETS if secret in text), *CARD_NUMBERS.findall(text)]


def test_control_a_planted_number_or_secret_is_found() -> None:
    assert found_in("card 4242-4242-4242-4242, 5555555555554444") == ["4242-4242-4242-4242", "5555555555554444"]
    assert found_in(f"key={paddle.API_KEY}") == [paddle.API_KEY]


@pytest.mark.takes_long("it lives through both providers' months")
def test_no_card_and_no_secret_of_a_provider_is_in_a_dump_a_log_or_a_mail(
    fake_stripe: FakeStripe, fake_paddle: FakePaddle, lines: list[str]
) -> None:
    make_endpoint()
    life = Life(fake_stripe, make_buyer("card", billing_email="card@acme.example"), make_plan())
    at_paddle = PaddleLife(fake_paddle, buyer("paddle", billing_email="paddle@acme.example"), life.version)
    live_calmly(life)
    live_calmly(at_paddle)
    at = timezone.now() + timedelta(days=2)
    deliver_documents(as_of=at)
    run_due_steps(as_of=at)
    while send_queued_mails(as_of=at):
        pass

    texts = [str(one.message()) for one in mail.outbox]
    rows = kept()
    assert re.search(r"4242", rows), "the control: rows about the card were read"
    assert len(texts) >= 2, "mails were sent"
    assert len(lines) > 100, "calls were logged"
    for place in (rows, "\n".join(lines), "\n".join(texts)):
        assert found_in(place) == []
