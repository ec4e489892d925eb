"""Access logs that are followed: from where, and how far each file was read.

A position is where reading goes on; that each line counts once does not depend on it, but on the line's identity.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Tenant


class LogSource(models.Model):
    """A file with its rotations, a folder, or a prefix of a bucket, of which a tenant's requests are read."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="log_sources")
    is_live = models.BooleanField(default=True)
    location = models.CharField(max_length=1024)
    started_at = models.DateTimeField()
    read_at = models.DateTimeField(help_text="When it was looked through last.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "is_live", "location"], name="log_source_once")
        ]
        ordering: ClassVar = ["tenant", "location"]

    def __str__(self) -> str:
        return self.location


class LogFile(models.Model):
    """A file of a source, by what the file system or the bucket knows it by, and not by its name.

    `generation` counts how often the same file began again. A packed file is read as a whole; `is_whole` says that it
    was. The first `beginning_bytes` bytes have the digest `beginning`, which shows that the file is still the same.
    """

    source = models.ForeignKey(LogSource, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=1024)
    identity = models.CharField(max_length=255)
    generation = models.PositiveIntegerField(default=0)
    offset_bytes = models.BigIntegerField(default=0)
    beginning_bytes = models.PositiveIntegerField(default=0)
    beginning = models.CharField(max_length=64, blank=True)
    is_whole = models.BooleanField(default=False)
    format = models.CharField(max_length=255, blank=True)
    lines = models.BigIntegerField(default=0)
    accepted = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    refused_lines = models.JSONField(default=list, blank=True, help_text="The first ones: number and reason.")
    stopped = models.CharField(max_length=500, blank=True, help_text="Why the file could not be read to its end.")
    last_line_at = models.DateTimeField(null=True, blank=True, help_text="The time of the latest request.")
    read_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "identity", "generation"], name="log_file_once"),
            models.CheckConstraint(
                condition=Q(offset_bytes__gte=0, lines__gte=0, refused__gte=0), name="log_file_not_negative"
            ),
        ]
        ordering: ClassVar = ["-read_at", "-pk"]

    def __str__(self) -> str:
        return self.name
