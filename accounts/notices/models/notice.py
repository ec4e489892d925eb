"""What members of a tenant are told, and which of them have read it."""

from typing import ClassVar

from django.db import models

from accounts.models import Membership, Tenant


class Notice(models.Model):
    """Something that members of a tenant are told, once. Pages, mails and channels tell it, each in its own form.

    `page` is the address that it links to, below the pages of the tenant.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=40)
    dedupe_key = models.CharField(max_length=200, unique=True)
    title = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    page = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-at", "-id"], name="notice_of_tenant"),
            models.Index(fields=["at"], name="notice_age"),
        ]
        ordering: ClassVar = ["-at", "-id"]

    def __str__(self) -> str:
        return self.title


class UnroutedNotice(models.Model):
    """A notice that channels have not been told of yet: their queue is this row, written with the notice."""

    notice = models.OneToOneField(Notice, primary_key=True, on_delete=models.CASCADE, related_name="unrouted")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", db_index=False)

    def __str__(self) -> str:
        return str(self.notice_id)


class MemberNotice(models.Model):
    """A notice to one member, who has read it or not."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+", db_index=False)
    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, related_name="members", db_index=False)
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="notices", db_index=False)
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["notice", "membership"], name="member_notice_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["membership", "-at", "-id"], name="member_notice_of_member"),
            models.Index(fields=["membership"], condition=models.Q(read_at=None), name="member_notice_unread"),
        ]
        ordering: ClassVar = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.notice} to {self.membership}"
