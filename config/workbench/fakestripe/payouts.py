"""Entries of Stripe's balance, and payouts of it to the seller's bank."""

from config.workbench.fakestripe.errors import Json, invalid
from config.workbench.fakestripe.lists import page
from config.workbench.fakestripe.store import Store


def list_balance_transactions(store: Store, parameters: Json) -> Json:
    wanted = {name: value for name, value in parameters.items() if name != "payout"}
    entries = store.all("balance_transaction")
    if payout := parameters.get("payout"):
        entries = [entry for entry in entries if entry.get("_payout") == payout]
    return page(store, "balance_transaction", wanted, url="/v1/balance_transactions", items=entries)


def list_payouts(store: Store, parameters: Json) -> Json:
    return page(store, "payout", parameters, url="/v1/payouts")


def pay_out(store: Store, *, failure: str = "") -> Json:
    """Send to the bank what came in and went back since the last payout; one with a failure does not arrive."""
    waiting = [entry for entry in store.all("balance_transaction") if "_payout" not in entry]
    if not waiting:
        raise invalid("There is nothing to pay out.", "amount")
    amount = sum(entry["net"] for entry in waiting)
    payout = store.add(
        "payout",
        amount=amount,
        arrival_date=store.now(),
        automatic=True,
        currency=waiting[0]["currency"],
        description="STRIPE PAYOUT",
        failure_code="account_closed" if failure else None,
        failure_message=failure or None,
        metadata={},
        method="standard",
        reconciliation_status="completed",
        source_type="card",
        statement_descriptor=None,
        status="failed" if failure else "paid",
        type="bank_account",
    )
    for entry in waiting:
        store.update(entry, _payout=payout["id"])
    return payout


def add_entry(store: Store, source: Json, amount: int, kind: str) -> Json:
    """Add an entry over money that came in (above 0) or went back."""
    return store.add(
        "balance_transaction",
        amount=amount,
        available_on=store.now(),
        balance_type="payments",
        currency=source["currency"],
        description=source.get("description"),
        exchange_rate=None,
        fee=0,
        fee_details=[],
        net=amount,
        reporting_category=kind,
        source=source["id"],
        status="available",
        type=kind,
    )
