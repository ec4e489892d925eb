"""The catalogue of what is metered: event types and meters."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from metering.domain.aggregations.count import COUNT
from metering.domain.aggregations.registry import AGGREGATIONS
from metering.domain.codes import CODE_PATTERN, CODE_RULE

CODE = RegexValidator(rf"^{CODE_PATTERN}\Z", CODE_RULE)


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


class Meter(models.Model):
    """A named rule: which events count, and how they aggregate. Its rule never changes once events have fed it."""

    code = models.CharField(max_length=100, unique=True, validators=[CODE])
    name = models.CharField(max_length=120)
    unit = models.CharField(max_length=30, default="requests")
    event_type = models.ForeignKey(EventType, on_delete=models.PROTECT, related_name="meters")
    aggregation = models.CharField(
        max_length=20, choices=[(kind.code, kind.name) for kind in AGGREGATIONS], default=COUNT.code
    )
    value_property = models.CharField(
        max_length=100, blank=True, help_text="The property that is summed or compared. Empty: the event's quantity."
    )
    dimensions = ArrayField(
        models.CharField(max_length=100),
        default=list,
        blank=True,
        help_text="The properties by which daily usage can be grouped.",
    )
    filters = models.JSONField(
        default=dict, blank=True, help_text='Property → accepted values, e.g. {"status": ["200", "201"]}.'
    )
    counts_from = models.DateTimeField(
        help_text="Events received from this time on are counted; earlier events never are."
    )
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(aggregation__in=[kind.code for kind in AGGREGATIONS]), name="meter_aggregation_known"
            ),
            models.CheckConstraint(
                condition=Q(aggregation__in=[kind.code for kind in AGGREGATIONS if kind.takes_property])
                | Q(value_property=""),
                name="meter_value_only_where_taken",
            ),
        ]
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return self.code
