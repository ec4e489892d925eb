"""The questions on the pricing page."""

from billing.models import PricingQuestion
from billing.selectors.catalog.questions import pricing_questions


def test_shown_questions_come_in_the_sellers_order(db: None) -> None:
    for position, question in ((2, "Last?"), (1, "First?"), (1, "Second?")):
        PricingQuestion.objects.create(question=question, answer="Yes.", position=position)
    PricingQuestion.objects.create(question="Hidden?", answer="Yes.", is_shown=False)

    assert [str(one) for one in pricing_questions()] == ["First?", "Second?", "Last?"]
