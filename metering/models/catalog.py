"""What is metered: event types, and the meters that say which events count and how."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

CODE = RegexValidator(
    r"^[a-z][a-z0-9_.:-]{0,99}$", "Lower-case letters, digits and _ . : - only, beginning with a letter."
)


class EventType(models.Model):
    """A kind of event that API clients may send."""

    code = models.CharField(max_length=100, unique=True, help_text="What clients send as `type`.")
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return self.code


class Aggregation(models.TextChoices):
    """How a meter turns events into usage."""

    COUNT = "count", "Count of events"
    SUM = "sum", "Sum of a value"


class Meter(models.Model):
    """A named rule: which events count, and how they aggregate. Its rule never changes once events have fed it."""

    code = models.CharField(max_length=100, unique=True, validators=[CODE])
    name = models.CharField(max_length=120)
    unit = models.CharField(max_length=30, default="requests")
    event_type = models.ForeignKey(EventType, on_delete=models.PROTECT, related_name="meters")
    aggregation = models.CharField(max_length=8, choices=Aggregation.choices, default=Aggregation.COUNT)
    value_property = models.CharField(
        max_length=100, blank=True, help_text="Property that a SUM adds up; empty adds the event's quantity."
    )
    dimensions = ArrayField(
        models.CharField(max_length=100),
        default=list,
        blank=True,
        help_text="Properties by which daily usage is kept apart.",
    )
    filters = models.JSONField(
        default=dict, blank=True, help_text='Property → accepted values, e.g. {"status": ["200", "201"]}.'
    )
    counts_from = models.DateTimeField(help_text="Events received from then on count; earlier ones never do.")
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(aggregation__in=Aggregation.values), name="meter_aggregation_known"),
            models.CheckConstraint(
                condition=~Q(aggregation=Aggregation.COUNT) | Q(value_property=""), name="meter_count_has_no_value"
            ),
        ]
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return self.code
