"""The demo's payments at the fakes of Stripe and Paddle, so that the nightly reconciliation finds them there.

Payments are recorded here as of their days, which no provider can be told: the fakes have a call for it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import urlencode, urlsplit
from urllib.request import ProxyHandler, build_opener

from accounts.models import Tenant
from billing.collection.gateways.paddle import settings as paddle
from billing.collection.gateways.stripe import settings as stripe
from billing.collection.gateways.stripe.objects import to_stripe_amount
from billing.models import Invoice, Payment, PaymentDispute, PaymentRefund, PaymentStatus, RefundWay

STRIPE: Final = "stripe"
PADDLE: Final = "paddle"
THIS_MACHINE: Final = "127.0.0.1"
SECONDS_MAX: Final = 10
_PREFIX: Final = {STRIPE: "in", PADDLE: "txn"}
PAYOUT: Final = "po_demo"
PAYOUT_MINOR, PARTS_MINOR = 120_350, 120_400


def payment_reference(provider: str, invoice: Invoice) -> str:
    """Return the provider's name of a payment of the demo: an id at Stripe or Paddle."""
    number = str(invoice.number)
    prefix = _PREFIX.get(provider)
    return f"demo-{number}" if prefix is None else f"{prefix}_demo{number.replace('-', '').lower()}"


def returned_reference(kind: str, payment: Payment) -> str:
    """Return the provider's name of a refund (`re`) or a dispute (`du`) of a payment of the demo."""
    return f"{kind}_{payment.reference.partition('_')[2]}"


def add_to_fakes(*, tenants: Sequence[Tenant], payout_at: datetime) -> int:
    """Add to the fakes what the demo's tenants paid through them, and what went back; return how many objects.

    Safe to repeat: a fake keeps the first object of an id. A payout at Stripe is 0.50 less than its part, so that the
    reconciliation has something to find. Without a fake of a provider nothing is added to it.
    """
    added = 0
    if _is_fake(stripe.api_host(), stripe.secret_key()):
        added += sum(_add_to_stripe(row) for row in _payments(tenants, STRIPE))
        payout = {"kind": "payout", "id": PAYOUT, "at": int(payout_at.timestamp()), "currency": "eur"}
        added += _add(stripe.api_host(), {**payout, "amount": PAYOUT_MINOR, "parts": PARTS_MINOR})
    if _is_fake(paddle.api_host(), paddle.api_key()):
        rows = _payments(tenants, PADDLE)
        added += sum(_add(paddle.api_host(), {**_paid(row), "amount": row.amount_minor}) for row in rows)
    return added


def _is_fake(host: str, key: str) -> bool:
    return bool(key) and urlsplit(host).hostname == THIS_MACHINE


def _payments(tenants: Sequence[Tenant], provider: str) -> list[Payment]:
    came_in = Payment.objects.filter(tenant__in=tenants, provider=provider, invoice__isnull=False)
    named = came_in.filter(reference__startswith=f"{_PREFIX[provider]}_demo")
    return list(named.exclude(status=PaymentStatus.FAILED).order_by("occurred_at", "pk"))


def _paid(row: Payment) -> dict[str, object]:
    at = int(row.occurred_at.timestamp())
    return {"id": row.reference, "at": at, "tenant": row.tenant_id, "ours": row.invoice_id, "currency": row.currency}


def _add_to_stripe(row: Payment) -> int:
    """Add a payment, its refunds and its disputes; return how many objects."""
    moved: list[dict[str, object]] = [
        {**_paid(row), "kind": "invoice", "amount": to_stripe_amount(row.amount_minor, row.currency)}
    ]
    for kind, rows in (
        ("refund", PaymentRefund.objects.filter(payment=row, way=RefundWay.PROVIDER).exclude(reference="")),
        ("dispute", PaymentDispute.objects.filter(payment=row)),
    ):
        for back in rows:
            amount = to_stripe_amount(back.amount_minor, row.currency)
            at = int(back.occurred_at.timestamp())
            moved.append({"kind": kind, "id": back.reference, "at": at, "invoice": row.reference, "amount": amount})
    for given in moved:
        _add(stripe.api_host(), given)
    return len(moved)


def _add(host: str, given: Mapping[str, object]) -> int:
    """Add an object of earlier to a fake; return 1."""
    opener = build_opener(ProxyHandler({}))
    with opener.open(f"{host}/_test/past?{urlencode(given)}", data=b"", timeout=SECONDS_MAX):
        return 1
