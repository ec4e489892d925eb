"""Set up providers: the objects that we need at each, and its copy of our meters. Runs at every start."""

from collections.abc import Iterable

from billing.collection.gateways.registry import configured_providers
from billing.collection.services.usage_push import ensure_meters
from billing.domain.prices import PriceKind
from billing.models import Price


def set_up_providers(*, currencies: Iterable[str] = ()) -> list[str]:
    """Create missing objects at each configured provider; return sentences that describe the result.

    Raises `PaymentProviderError`, `PaymentRefusedError`.
    """
    sold_in = Price.objects.filter(kind=PriceKind.RECURRING).values_list("currency", flat=True).distinct()
    wanted = sorted({*sold_in, *currencies})
    said = []
    for provider in configured_providers():
        said += provider.set_up(currencies=wanted)
        if meters := provider.usage_meters():
            number, made = ensure_meters(meters=meters)
            said.append(f"meters: {number}, of which created now: {', '.join(made) or 'none'}")
    return said
