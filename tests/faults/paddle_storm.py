"""A subscription's life at Paddle, delivered calmly or in a storm, by the same rules as a life at Stripe."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from billing.collection.models import ProviderInvoice
from billing.models import Invoice
from tests.billing.collection.paddle_world import OK, buy, post
from tests.fakepaddle.fixture import API_KEY
from tests.fakestripe import shopper
from tests.faults.processes import connect_to
from tests.faults.stripe_storm import FORK_SERVER, Life, Step, process

FORK_SERVER.set_forkserver_preload(["__main__", "tests.faults.processes", "tests.faults.paddle_storm"])


class PaddleLife(Life):
    """One tenant's life at Paddle, step by step. Between two steps every event is delivered."""

    def steps(self) -> Iterator[tuple[str, Step]]:
        yield "buys with a card that fails later", lambda: buy(self.tenant, self.version, card=shopper.FAILS_LATER)
        yield "the first statement is charged", lambda: None  # the step before pushed it
        yield "Paddle tries again", lambda: self.fake.act("collect", self.charged())
        yield "pays by another card", lambda: shopper.type_card(self.hosted_page())
        yield "is paused", lambda: self.act("pause")
        yield "is resumed", lambda: self.act("resume")
        yield "cancels on Paddle's page", lambda: self.press("cancel", self.agreement_id())
        yield "takes that back", lambda: self.press("renew", self.agreement_id())
        yield "is ended in Paddle's dashboard", lambda: self.act("cancel")

    def act(self, what: str) -> None:
        self.fake.act(what, self.agreement_id())

    def charged(self) -> str:
        return ProviderInvoice.objects.get(invoice__tenant=self.tenant).reference

    def happened(self) -> list[Any]:
        return list(self.fake.events())

    def named(self, event: Any) -> tuple[str, str]:
        return event["event_id"], event["event_type"]

    def deliver(self, event: Any) -> None:
        response = post(json.dumps(event).encode())
        assert response.status_code == OK, response.content

    def collected(self, invoice: Invoice) -> list[Any]:
        return [
            (one["status"], one["details"]["totals"]["total"], len(one["payments"]))
            for one in self.fake.store.all("transaction")
            if str(invoice.pk) in json.dumps(one["items"])
        ]

    def attempt_of(self, reference: str) -> str:
        return "one" if "#" in reference else ""

    @property
    def work(self) -> Callable[..., None]:
        return work_with_paddle


def work_with_paddle(database_url: str, paddle_url: str, as_of: datetime, has_begun: Any) -> None:
    """Process what is due, until killed or until no event is left. This is the body of a worker."""
    connect_to(database_url)
    connection.ensure_connection()
    os.environ["no_proxy"] = "*"
    settings.STRIPE_SECRET_KEY = settings.STRIPE_TEST_SECRET_KEY = ""
    settings.PADDLE_API_KEY = API_KEY
    settings.PADDLE_API_HOST = paddle_url
    has_begun.set()
    process(as_of)
    os._exit(0)
