"""What staff were told through their channels."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.channels.domain.staff_notices import STAFF_LABELS, StaffNoticeKind


class StaffNotice(models.Model):
    """Something that staff are told, once. It is found only while a channel of staff is active."""

    id = models.UUIDField(primary_key=True, editable=False)
    kind = models.CharField(max_length=14, choices=[(one.value, label) for one, label in STAFF_LABELS.items()])
    dedupe_key = models.CharField(max_length=200, unique=True)
    title = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    page = models.CharField(max_length=200)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=list(StaffNoticeKind)), name="staff_notice_kind_known"),
        ]
        indexes: ClassVar = [models.Index(fields=["at"], name="staff_notice_age")]
        ordering: ClassVar = ["-at", "-id"]

    def __str__(self) -> str:
        return self.title
