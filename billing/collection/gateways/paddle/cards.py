"""What Paddle charges a customer's documents to: a subscription's way of paying, by its latest payment."""

from typing import Final

from billing.collection.gateways.paddle import api
from billing.collection.gateways.paddle.objects import is_chargeable, read_transaction

UNNAMED: Final = "Payment method at Paddle"


def card_of_customer(customer_id: str) -> str:
    """Return its label; empty if no subscription of the customer can be charged."""
    if not any(is_chargeable(one) for one in api.subscriptions_of(customer_id)):
        return ""
    labels = (read_transaction(one).card_label for one in api.latest_transactions_of(customer_id))
    return next(filter(None, labels), UNNAMED)
