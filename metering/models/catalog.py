"""The catalogue of what is metered: event types and meters."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from metering.domain.aggregations.count import COUNT
from metering.domain.aggregations.registry import AGGREGATIONS
from metering.domain.codes import CODE_PATTERN, CODE_RULE, PRODUCT_CODE_PATTERN, PRODUCT_CODE_RULE
from metering.formulas.domain.syntax import FORMULA_CHARACTERS_MAX

CODE = RegexValidator(rf"^{CODE_PATTERN}\Z", CODE_RULE)
PRODUCT_CODE = RegexValidator(rf"^{PRODUCT_CODE_PATTERN}\Z", PRODUCT_CODE_RULE)


class EventType(models.Model):
    """A kind of event that API clients may send."""

    code = models.CharField(max_length=100, unique=True, validators=[CODE], help_text="The `type` that clients send.")
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return self.code


class ProductCode(models.Model):
    """A code under which another system bills, and the event type that its billing events become."""

    code = models.CharField(
        max_length=100,
        unique=True,
        validators=[PRODUCT_CODE],
        help_text="The ProductCode that billing events send.",
    )
    event_type = models.ForeignKey(EventType, on_delete=models.PROTECT, related_name="product_codes")
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return self.code


class MeterDefinition(models.Model):
    """What a meter counts and measures of events, in one version."""

    aggregation = models.CharField(
        max_length=20, choices=[(kind.code, kind.name) for kind in AGGREGATIONS], default=COUNT.code
    )
    value_property = models.CharField(
        max_length=100,
        blank=True,
        help_text="The property to measure. Empty: the event's quantity, and for different values its subject.",
    )
    formula = models.CharField(
        max_length=FORMULA_CHARACTERS_MAX,
        blank=True,
        help_text="What to measure, computed of properties instead of one: input_tokens + 4 * output_tokens.",
    )
    dimensions = ArrayField(
        models.CharField(max_length=100),
        default=list,
        blank=True,
        help_text="The properties by which daily usage can be grouped.",
    )
    filters = models.JSONField(
        default=dict,
        blank=True,
        help_text='Property → accepted values, or conditions: {"status": ["200", "201"], "size": {"gte": "0.5"}}.',
    )

    class Meta:
        abstract = True
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(aggregation__in=[kind.code for kind in AGGREGATIONS]), name="%(class)s_aggregation_known"
            ),
            models.CheckConstraint(
                condition=Q(aggregation__in=[kind.code for kind in AGGREGATIONS if kind.takes_property])
                | Q(value_property=""),
                name="%(class)s_value_only_where_taken",
            ),
            models.CheckConstraint(
                condition=Q(aggregation__in=[kind.code for kind in AGGREGATIONS if kind.takes_formula]) | Q(formula=""),
                name="%(class)s_formula_only_where_taken",
            ),
            models.CheckConstraint(
                condition=Q(value_property="") | Q(formula=""), name="%(class)s_formula_or_property"
            ),
        ]


class Meter(MeterDefinition):
    """A named rule: which events count, and how they aggregate.

    Its own definition is the first version, which never changes once events have fed it; `MeterVersion` has later ones.
    """

    code = models.CharField(max_length=100, unique=True, validators=[CODE])
    name = models.CharField(max_length=120)
    unit = models.CharField(max_length=30, default="requests")
    event_type = models.ForeignKey(EventType, on_delete=models.PROTECT, related_name="meters")
    counts_from = models.DateTimeField(
        help_text="Events received from this time on are counted; earlier events never are."
    )
    fill_from = models.DateTimeField(
        null=True,
        editable=False,
        help_text="Set until the rollups have all of its events: every process counts new ones from then on.",
    )
    created_at = models.DateTimeField(editable=False)

    class Meta(MeterDefinition.Meta):
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return self.code


class MeterFill(models.Model):
    """How far the rollups of a meter are filled in one ledger, day by day. Deleted once the meter is filled."""

    meter = models.ForeignKey(Meter, on_delete=models.CASCADE, related_name="fills")
    tenant_id = models.UUIDField()
    is_live = models.BooleanField()
    first_day = models.DateField()
    next_day = models.DateField()
    end_day = models.DateField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant_id", "is_live", "meter"], name="meter_fill_once"),
            models.CheckConstraint(
                condition=Q(first_day__lte=F("next_day"), next_day__lte=F("end_day")), name="meter_fill_within_its_days"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.meter_id} {self.tenant_id} {self.next_day}"


class MeterVersion(MeterDefinition):
    """A later definition of a meter, of the events that occur from a moment on. It never changes."""

    meter = models.ForeignKey(Meter, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveSmallIntegerField(editable=False)
    begins_at = models.DateTimeField(help_text="Events that occur from this time on are counted by this version.")
    created_at = models.DateTimeField(editable=False)

    class Meta(MeterDefinition.Meta):
        constraints: ClassVar = [
            *MeterDefinition.Meta.constraints,
            models.UniqueConstraint(fields=["meter", "number"], name="meterversion_number_once"),
            models.UniqueConstraint(fields=["meter", "begins_at"], name="meterversion_begins_once"),
            models.CheckConstraint(condition=Q(number__gte=2), name="meterversion_is_a_later_one"),
        ]
        ordering: ClassVar = ["meter", "number"]

    def __str__(self) -> str:
        return f"{self.meter} {self.number}"
