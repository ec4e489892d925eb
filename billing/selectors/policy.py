"""What the seller decided for all subscriptions alike."""

from billing.domain.proration import FeeRefund
from billing.models import Issuer


def fee_refund() -> FeeRefund:
    """Return what is given back of a fee that was charged in advance."""
    return FeeRefund(Issuer.objects.values_list("fee_refund", flat=True).get(pk=1))


def may_shrink_now() -> bool:
    """Return whether customers may move to a smaller plan before their period ends."""
    return bool(Issuer.objects.values_list("lets_customers_shrink_now", flat=True).get(pk=1))
