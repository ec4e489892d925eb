"""Calls by which tests control the fake, under /_test/: plan failures, move the clock, send an event again."""

from collections.abc import Callable
from typing import Any

from config.workbench.fakestripe.api import Api
from config.workbench.fakestripe.deliveries import Deliveries
from config.workbench.fakestripe.errors import Json, StripeError
from config.workbench.fakestripe.events import emit
from config.workbench.fakestripe.invoices import attempt, finalize
from config.workbench.fakestripe.past import add_past
from config.workbench.fakestripe.payouts import pay_out
from config.workbench.fakestripe.refunds import close_dispute, fail_refund, open_dispute
from config.workbench.fakestripe.store import Store
from config.workbench.fakestripe.subscriptions import LIVE, cancel, ends_at, renew
from config.workbench.faults import Fault

PERIODS_PER_TICK_MAX = 100


class Control:
    """The fake's own state, and the ways to change it that Stripe does not have."""

    def __init__(self, store: Store, api: Api, deliveries: Deliveries) -> None:
        self.store = store
        self.api = api
        self.deliveries = deliveries

    def reset(self) -> None:
        """Reset everything to the start, including the receivers of webhooks."""
        self.deliveries.reset()
        with self.store.lock:
            self.store.clear()
            self.api.reset()

    def fail(
        self, path: str, *, status: int, method: str = "*", times: int = 1, is_after: bool = False, **more: str
    ) -> None:
        """Fail the next `times` requests with this status (0: drop the connection).

        With `is_after`, the request is carried out before it fails, as in an ambiguous error.
        """
        fault = Fault(path, status, method=method, times=times, is_after=is_after, code=more.get("code"))
        fault.message = more.get("message", fault.message)
        self.api.faults.plan(fault)

    def advance(self, seconds: int) -> None:
        """Move the fake's clock, and do what becomes due meanwhile."""
        with self.store.lock:
            self.store.advance(seconds)
        self.tick()

    def end_period(self, subscription_id: str) -> None:
        """Renew (or end) one subscription as if its period were over."""
        with self.store.lock:
            subscription = self.store.get("subscription", subscription_id)
            self.store.advance(max(0, ends_at(self.store, subscription) - self.store.now()))
        self.tick()

    def dispute(self, payment_intent_id: str, status: str | None = None) -> Json:
        """Open a dispute of a payment; an inquiry has the status `warning_needs_response`."""
        return self._do(lambda: open_dispute(self.store, payment_intent_id, status or "needs_response"))

    def close_dispute(self, dispute_id: str, status: str) -> Json:
        """Close a dispute: `won`, `lost` or `warning_closed`."""
        return self._do(lambda: close_dispute(self.store, dispute_id, status))

    def fail_refund(self, refund_id: str) -> Json:
        """Fail a refund: the customer's bank returns it."""
        return self._do(lambda: fail_refund(self.store, refund_id))

    def pay_out(self, *, failure: str = "") -> Json:
        """Send what came in to the seller's bank; with a failure it does not arrive."""
        return self._do(lambda: pay_out(self.store, failure=failure))

    def _do(self, work: Callable[[], Json]) -> Json:
        with self.store.lock:
            self.store.request = {"id": None, "idempotency_key": None}
            done = work()
            self.store.commit()
        self.flush()
        return done

    def tick(self) -> None:
        """Run what is due: renewals, ends, automatic finalizing, another try for a failed payment."""
        with self.store.lock:
            self.store.request = {"id": None, "idempotency_key": None}
            for subscription in self.store.all("subscription"):
                self._renew(subscription)
            for invoice in self.store.all("invoice"):
                self._advance_invoice(invoice)
            for session in self.store.all("checkout.session", status="open"):
                if session["expires_at"] <= self.store.now():
                    self.store.update(session, status="expired")
                    emit(self.store, "checkout.session.expired", session)
            afterwards, self.store.afterwards = self.store.afterwards, []
            for action in afterwards:
                action()
            self.store.commit()
        self.flush()

    def flush(self) -> None:
        """Queue the new events for delivery."""
        with self.store.lock:
            fresh, self.store.fresh_events = self.store.fresh_events, []
        if fresh:
            self.deliveries.enqueue([event["id"] for event in fresh])

    def _renew(self, subscription: Json) -> None:
        for _ in range(PERIODS_PER_TICK_MAX):
            if subscription["status"] not in LIVE - {"incomplete"}:
                return
            if subscription["cancel_at"] is not None and subscription["cancel_at"] <= self.store.now():
                cancel(self.store, subscription)
                return
            if ends_at(self.store, subscription) > self.store.now():
                return
            renew(self.store, subscription)

    def _advance_invoice(self, invoice: Json) -> None:
        now = self.store.now()
        if invoice["status"] == "draft" and (invoice["automatically_finalizes_at"] or now + 1) <= now:
            finalize(self.store, invoice)
        elif invoice["status"] == "open" and (invoice["next_payment_attempt"] or now + 1) <= now:
            attempt(self.store, invoice)

    # Over HTTP

    def respond(self, method: str, path: str, parameters: Json) -> Json:
        """Run one request under /_test/. Raise StripeError if it makes no sense."""
        calls: dict[tuple[str, str], Callable[[Json], Any]] = {
            ("POST", "reset"): lambda _: self.reset(),
            ("POST", "fail"): self._fail,
            ("POST", "storm"): lambda given: self.api.faults.begin_storm(
                seed=int(given.get("seed", 0)), rate=float(given["rate"])
            ),
            ("POST", "latency"): lambda given: setattr(self.api, "latency_seconds", float(given["seconds"])),
            ("POST", "advance"): self._advance,
            ("POST", "deliver"): self._deliver,
            ("POST", "mode"): self._mode,
            ("POST", "resend"): lambda given: self._resend(given["event"]),
            ("POST", "dispute"): lambda given: self.dispute(given["payment_intent"], given.get("status"))["id"],
            ("POST", "close_dispute"): lambda given: self.close_dispute(given["dispute"], given["status"])["id"],
            ("POST", "fail_refund"): lambda given: self.fail_refund(given["refund"])["id"],
            ("POST", "pay_out"): lambda given: self.pay_out(failure=given.get("failure", ""))["id"],
            ("POST", "past"): lambda given: self._do(lambda: add_past(self.store, given))["id"],
            ("GET", "requests"): lambda _: self.api.requests,
            ("GET", "deliveries"): lambda _: self.deliveries.log,
            ("GET", "usage"): lambda _: self.store.all("billing.meter_event"),
            ("GET", "health"): lambda _: "ready",
        }
        call = calls.get((method, path))
        if call is None:
            raise StripeError("There is no such test route.", status=404)
        return {"result": call(parameters)}

    def _fail(self, given: Json) -> None:
        self.fail(
            given["path"],
            status=int(given["status"]),
            method=given.get("method", "*"),
            times=int(given.get("times", 1)),
            is_after=given.get("after") == "true",
            **{name: given[name] for name in ("message", "code") if name in given},
        )

    def _advance(self, given: Json) -> None:
        if "subscription" in given:
            self.end_period(given["subscription"])
        else:
            self.advance(int(given["seconds"]))

    def _deliver(self, given: Json) -> None:
        self.deliveries.send_to(given["url"], given["secret"], given.get("events"))

    def _mode(self, given: Json) -> None:
        modes: Json = {name: given[name] == "true" for name in ("paused", "parallel", "shuffled") if name in given}
        if "copies" in given:
            modes["copies"] = int(given["copies"])
        self.deliveries.set_mode(**modes)

    def _resend(self, event_id: str) -> None:
        self.store.get("event", event_id)
        self.deliveries.enqueue([event_id])
