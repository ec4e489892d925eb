"""What is sold: plans, their versions, and the prices of each. A version and its prices are added, never changed."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from billing.domain.plan_terms import MARK_CHARACTERS_MAX
from billing.domain.prices import PriceKind, PriceModel
from metering.models import Meter, UsagePlan

CODE = RegexValidator(r"^[a-z][a-z0-9_-]{0,49}\Z", "Lower-case letters, digits, - and _, beginning with a letter.")
CURRENCY = RegexValidator(r"^[A-Z]{3}\Z", "Three capitals, as in ISO 4217.")


class Plan(models.Model):
    """What customers choose between. What it costs stands in its versions, the newest of which is sold."""

    code = models.CharField(max_length=50, unique=True, validators=[CODE])
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    mark = models.CharField(
        max_length=MARK_CHARACTERS_MAX,
        blank=True,
        help_text='A few words beside the name, such as "Most chosen". It is your own statement: see that it is true. '
        "The list of plans counts live subscriptions.",
    )
    features = models.TextField(
        blank=True,
        help_text="One benefit a line. The pricing page compares plans by them, so write the same words in each plan "
        "that has it. Limits and prices are shown by themselves.",
    )
    is_public = models.BooleanField(
        default=True, help_text="Show the plan on the pricing page. Only staff can assign other plans."
    )
    position = models.PositiveSmallIntegerField(default=0, help_text="Order on the pricing page.")
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering: ClassVar = ["position", "name"]

    def __str__(self) -> str:
        return self.name


class PlanVersion(models.Model):
    """A plan as it is sold from a moment on; subscriptions stay on theirs until they are moved.

    `digest` is of all its terms.
    """

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    usage_plan = models.ForeignKey(UsagePlan, on_delete=models.PROTECT, related_name="plan_versions")
    trial_days = models.PositiveSmallIntegerField(default=0)
    digest = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["plan", "number"], name="plan_version_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="plan_version_from_one"),
            models.CheckConstraint(condition=Q(trial_days__lte=730), name="plan_version_trial_bounded"),
        ]
        ordering: ClassVar = ["plan", "-number"]

    def __str__(self) -> str:
        return f"{self.plan} v{self.number}"


class Price(models.Model):
    """One component of a plan version in one currency: its recurring fee, or what a meter's usage costs.

    `terms` as in `domain.prices`.
    """

    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="prices")
    kind = models.CharField(max_length=9, choices=[(kind.value, kind.value.capitalize()) for kind in PriceKind])
    meter = models.ForeignKey(Meter, null=True, blank=True, on_delete=models.PROTECT, related_name="prices")
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    model = models.CharField(
        max_length=9, choices=[(model.value, model.value.replace("_", " ").capitalize()) for model in PriceModel]
    )
    terms = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["plan_version", "currency"], condition=Q(kind=PriceKind.RECURRING), name="price_one_fee"
            ),
            models.UniqueConstraint(
                fields=["plan_version", "currency", "meter"],
                condition=Q(kind=PriceKind.USAGE),
                name="price_one_per_meter",
            ),
            models.CheckConstraint(
                condition=Q(kind=PriceKind.RECURRING, meter=None, model=PriceModel.FLAT)
                | Q(kind=PriceKind.USAGE, meter__isnull=False),
                name="price_kind_has_its_meter",
            ),
            models.CheckConstraint(condition=Q(model__in=list(PriceModel)), name="price_model_known"),
            models.CheckConstraint(condition=Q(currency__regex="^[A-Z]{3}$"), name="price_currency_is_code"),
        ]
        ordering: ClassVar = ["plan_version", "currency", "kind", "meter"]

    def __str__(self) -> str:
        return f"{self.plan_version} {self.currency} {self.kind}"


class PricingQuestion(models.Model):
    """A question of the seller's list on the pricing page. Both are plain text; a blank line begins a paragraph."""

    question = models.CharField(max_length=200)
    answer = models.TextField(
        max_length=4000, help_text="Plain text. A blank line begins a paragraph, and web addresses become links."
    )
    position = models.PositiveSmallIntegerField(default=0, help_text="Order on the pricing page.")
    is_shown = models.BooleanField("shown", default=True, help_text="Show it on the pricing page.")

    class Meta:
        ordering: ClassVar = ["position", "pk"]

    def __str__(self) -> str:
        return self.question
