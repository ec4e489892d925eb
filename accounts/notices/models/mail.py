"""Mails that are sent once, and the preferences of tenants and members."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import Membership, StoredFile, Tenant
from accounts.notices.domain.mails import MailStatus


class OutboundMail(models.Model):
    """A mail to be sent once.

    It is claimed before it is sent. If sending is interrupted, it may have been sent, and stays `unknown`.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="outbound_mails")
    kind = models.CharField(max_length=40)
    dedupe_key = models.CharField(max_length=200, unique=True)
    recipients = ArrayField(models.EmailField())
    subject = models.CharField(max_length=300)
    text = models.TextField()
    html = models.TextField()
    attachment = models.ForeignKey(StoredFile, null=True, on_delete=models.PROTECT, related_name="mails")
    attachment_name = models.CharField(max_length=100, blank=True, help_text="The file's name in the mail.")
    status = models.CharField(
        max_length=7,
        choices=[(status.value, status.value.capitalize()) for status in MailStatus],
        default=MailStatus.QUEUED.value,
    )
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=list(MailStatus)), name="outbound_mail_status_known"),
            models.CheckConstraint(
                condition=~Q(status=MailStatus.SENT) | Q(sent_at__isnull=False), name="outbound_mail_sent_has_time"
            ),
            models.CheckConstraint(
                condition=Q(attachment=None, attachment_name="")
                | (Q(attachment__isnull=False) & ~Q(attachment_name="")),
                name="outbound_mail_attachment_has_name",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], condition=Q(status=MailStatus.QUEUED), name="outbound_mail_due")
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.kind} to {', '.join(self.recipients)}"


class MailPreference(models.Model):
    """Whether mails of a kind go to a member or, without a member, to any member of the tenant.

    A member without a row gets the default of their role. For a tenant without a row mails are sent.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="mail_preferences")
    membership = models.ForeignKey(
        Membership, null=True, blank=True, on_delete=models.CASCADE, related_name="mail_preferences"
    )
    kind = models.CharField(max_length=40)
    is_wanted = models.BooleanField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "membership", "kind"], nulls_distinct=False, name="mail_preference_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {'yes' if self.is_wanted else 'no'}"
