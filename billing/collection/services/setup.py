"""Sets providers up for us: what each needs at its own place, and its copy of our meters. Runs at every start."""

from collections.abc import Iterable

from billing.collection.gateways.registry import configured_providers
from billing.collection.services.usage_push import ensure_meters
from billing.domain.prices import PriceKind
from billing.models import Price


def set_up_providers(*, currencies: Iterable[str] = ()) -> list[str]:
    """Make at each configured provider what we need there; returns in sentences what there is now.

    Raises `PaymentProviderError`, `PaymentRefusedError`.
    """
    sold_in = Price.objects.filter(kind=PriceKind.RECURRING).values_list("currency", flat=True).distinct()
    wanted = sorted({*sold_in, *currencies})
    said = []
    for provider in configured_providers():
        said += provider.set_up(currencies=wanted)
        if meters := provider.usage_meters():
            number, made = ensure_meters(meters=meters)
            said.append(f"meters: {number}, of which made now: {', '.join(made) or 'none'}")
    return said
