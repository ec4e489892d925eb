"""The questions and replies of the seller on the pricing page."""

from collections.abc import Sequence

from billing.models import PricingQuestion


def pricing_questions() -> Sequence[PricingQuestion]:
    """Return the questions that are shown, in their order."""
    return list(PricingQuestion.objects.filter(is_shown=True))
