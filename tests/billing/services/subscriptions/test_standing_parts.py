"""Apps above follow what a subscription owes, in the transaction that refreshes its standing."""

from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from billing.services.subscriptions.standing import refresh_overdue
from tests.billing.world import MARCH, first_invoice, subscribe_tenant

SEEN: list[tuple[str, list[str | None]]] = []


class Watching:
    """A part that notes what it is told."""

    def follow(self, *, subscription: object, owing: list[object], as_of: datetime) -> None:
        assert as_of
        SEEN.append((subscription.status, [invoice.number for invoice in owing]))


@pytest.mark.django_db
def test_a_part_is_told_what_is_owed_after_the_status_has_changed(settings: Settings) -> None:
    settings.STANDING_PARTS = [f"{__name__}.Watching"]
    SEEN.clear()
    invoice = first_invoice(subscribe_tenant())
    refresh_overdue(as_of=MARCH + timedelta(days=20))
    assert [("past_due", [invoice.number])] == SEEN
