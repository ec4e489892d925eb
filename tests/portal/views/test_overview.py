"""The overview shows what is refused, counts in singular and plural, and links to earlier months."""

from decimal import Decimal

import pytest
from django.test import Client

from metering.models import Meter, UsagePlan, UsagePlanAssignment, UsagePlanQuota
from tests.metering.ledger_world import LONG_AGO, ledger_of, send
from tests.portal.conftest import NOW, Cast
from tests.portal.views.test_usage import _requests


def limit_requests(cast: Cast, limit: int, *, is_hard: bool) -> None:
    plan = UsagePlan.objects.create(code="small", name="Small & Co", created_at=LONG_AGO)
    meter = Meter.objects.get(code="api_requests")
    UsagePlanQuota.objects.create(usage_plan=plan, meter=meter, period="month", limit=Decimal(limit), is_hard=is_hard)
    UsagePlanAssignment.objects.create(tenant=cast.acme, usage_plan=plan, assigned_at=NOW)


@pytest.mark.parametrize(("is_hard", "used", "is_refused"), [(True, 3, True), (True, 1, False), (False, 3, False)])
def test_a_used_up_hard_quota_shows_until_when_requests_are_refused(
    cast: Cast, alice: Client, is_hard: bool, used: int, is_refused: bool
) -> None:
    limit_requests(cast, 2, is_hard=is_hard)
    send(ledger_of(cast.acme), _requests(["/a"] * used), as_of=NOW)

    page = alice.get("/t/acme/").content.decode()

    assert ("<strong>Requests are refused until 1 April:</strong> 3 of 2 requests used" in page) == is_refused
    assert ("Upgrade your plan" in page) == is_refused
    assert "Plan Small &amp; Co" in page


def test_one_request_is_written_in_the_singular(cast: Cast, alice: Client) -> None:
    send(ledger_of(cast.acme), _requests(["/a"]), as_of=NOW)

    page = " ".join(alice.get("/t/acme/").content.decode().split())

    assert '<strong class="font-semibold text-ink">1</strong> request<' in page
    assert ">1</strong> requests" not in page


def test_a_past_month_has_no_last_24_hours(cast: Cast, alice: Client) -> None:
    page = alice.get("/t/acme/").content.decode()

    assert "The last 24 hours" in page
    assert 'href="?month=2026-02"' in page
    assert "The last 24 hours" not in alice.get("/t/acme/?month=2026-02").content.decode()


def test_an_invalid_choice_is_named_once_and_in_plain_words(cast: Cast, alice: Client) -> None:
    page = alice.get("/t/acme/usage/?window=fortnight").content.decode()

    assert page.count("Choose one of the list.") == 1
    assert "Select a valid choice" not in page
    assert "Choose the first and the last day." in alice.get("/t/acme/usage/?period=custom").content.decode()
