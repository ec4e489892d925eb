"""The overview shows what is refused, counts in singular and plural, and links to earlier months."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from accounts.models import KeyRefusal
from billing.services.subscriptions.subscribing import subscribe
from metering.models import Meter, UsagePlan, UsagePlanAssignment, UsagePlanQuota
from metering.services.limits.reservations import reserve
from tests.billing.world import STAFF, make_plan
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_key, send
from tests.metering.services.limits.limit_world import Caller
from tests.portal.conftest import NOW, Cast, signed_in
from tests.portal.views.test_pricing import shown
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
    usage = alice.get("/t/acme/usage/").content.decode()
    assert ("3 of 2 requests used this month (API requests). Events that you still report are" in usage) == is_refused


def test_one_request_is_written_in_the_singular(cast: Cast, alice: Client) -> None:
    send(ledger_of(cast.acme), _requests(["/a"]), as_of=NOW)

    page = " ".join(alice.get("/t/acme/").content.decode().split())

    assert '<strong class="font-semibold text-ink">1</strong> request<' in page
    assert ">1</strong> requests" not in page


def test_a_past_month_has_no_last_24_hours(cast: Cast, alice: Client) -> None:
    page = alice.get("/t/acme/").content.decode()

    assert "The last 24 hours" in page
    assert '<option value="last_billing">' in page
    assert "The last 24 hours" not in alice.get("/t/acme/?month=2026-02").content.decode()


def test_an_invalid_choice_is_named_once_and_in_plain_words(cast: Cast, alice: Client) -> None:
    page = alice.get("/t/acme/usage/?window=fortnight").content.decode()

    assert page.count("Choose one of the list.") == 1
    assert "Select a valid choice" not in page
    assert "Choose the first and the last day." in alice.get("/t/acme/usage/?period=custom").content.decode()


def test_what_reservations_hold_is_shown_beside_what_is_used(cast: Cast, alice: Client) -> None:
    limit_requests(cast, 20, is_hard=True)
    UsagePlanQuota.objects.create(
        usage_plan=UsagePlan.objects.get(), meter=Meter.objects.get(code="api_requests"), period="day", limit=Decimal(9)
    )
    assert "held" not in alice.get("/t/acme/").content.decode()
    caller = Caller(cast.acme)
    for seconds in (60, 3600):
        reserve(
            principal=caller.principal,
            tenant=caller.tenant,
            event=caller.event(NOW),
            expires_in_seconds=seconds,
            as_of=NOW - timedelta(seconds=60),
        )

    page = " ".join(alice.get("/t/acme/").content.decode().split())

    assert ">0</strong> of 20 requests, 1 held<" in page
    assert ">0</strong> of 9 requests, 1 held<" in page
    assert "Held is quota that your reservations keep free" in page


def test_a_used_up_quota_says_how_many_were_refused_and_which_plan_allows_more(cast: Cast, alice: Client) -> None:
    for code, fee, limit in (("free", "0", 2), ("small", "9", 3), ("growth", "49", 100)):
        version = make_plan(code, fee=fee, usage={})
        UsagePlanQuota.objects.create(
            usage_plan=version.usage_plan, meter=Meter.objects.get(code="api_requests"), period="month", limit=limit
        )
        if code == "free":
            subscribe(tenant=cast.acme, plan_version=version, actor=STAFF, as_of=NOW - timedelta(days=2))
    send(ledger_of(cast.acme), _requests(["/a"] * 3), as_of=NOW)
    key, _ = make_key(cast.acme)
    for day, code, requests in ((9, "quota_exceeded", 40), (10, "quota_exceeded", 6), (10, "throttled", 5)):
        KeyRefusal.objects.create(
            api_key=key, tenant=cast.acme, day=NOW.replace(day=day), code=code, requests=requests, last_at=NOW
        )

    page = shown(alice.get("/t/acme/"))

    assert "Requests are refused until 1 April: 3 of 2 requests used this month (API requests)." in page
    assert "46 requests were refused." in page
    assert "Upgrade to Growth" in page, "Small allows 3, which are used"
    assert "Upgrade to" not in shown(signed_in(cast.vera).get("/t/acme/"))
    usage = alice.get("/t/acme/usage/?period=this_month")
    assert "46 over a quota, 5 faster than the plan allows" in shown(usage)
    refusals = usage.context["refusals"]
    assert [counts for _, counts in refusals.days[-2:]] == [(40, 0), (6, 5)]
    assert [series["values"][-1] for series in refusals.chart["series"]] == ["6", "5"]
    assert alice.get("/t/acme/usage/?period=last_month").context["refusals"] is None
