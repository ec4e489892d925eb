"""What was paid at Paddle before the fake was started, so that a demo's payments are there, too. No event is sent."""

from config.workbench.fakepaddle.life import add_transaction, check_out
from config.workbench.fakepaddle.store import Json, PaddleStore
from config.workbench.fakestripe.cards import GOOD

EXPIRY = (12, 2040)


def add_past(store: PaddleStore, given: Json) -> Json:
    """Add a completed transaction of an earlier second by its id, unless it is there; return it.

    It has the id of the `tenant`, `ours` (our document's id), an `amount` without tax and a `currency`.
    """
    known: Json | None = store.objects["transaction"].get(given["id"])
    if known is not None:
        return known
    with store.in_the_past(int(given["at"]), transaction=given["id"]):
        return _paid(store, given)


def _paid(store: PaddleStore, given: Json) -> Json:
    ours = {"countinghouse_invoice": given["ours"]}
    price = {
        "description": "Usage statement",
        "product": {"name": "Usage statement", "tax_category": "standard"},
        "unit_price": {"amount": str(given["amount"]), "currency_code": given["currency"]},
        "custom_data": ours,
    }
    order = {
        "customer_id": _customer(store, given["tenant"])["id"],
        "currency_code": given["currency"],
        "items": [{"price": price, "quantity": 1}],
        "custom_data": ours,
    }
    transaction = add_transaction(store, order, origin="api")
    check_out(store, transaction, GOOD, expiry=EXPIRY)
    return transaction


def _customer(store: PaddleStore, tenant: str) -> Json:
    """Return the customer of a tenant's payments before, created if it is missing."""
    email = f"{tenant}@before.example"
    found = store.all("customer", email=email)
    return (
        found[0]
        if found
        else store.add(
            "customer", email=email, name=None, custom_data=None, status="active", locale="en",
            marketing_consent=False, import_meta=None,
        )
    )  # fmt: skip
