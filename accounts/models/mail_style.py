"""How mails look, and who they are from."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.domain.mail_form import COLOUR


class MailStyle(models.Model):
    """The seller's name, logo, colour, footer and reply address in mails: one row, or none for the defaults."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    sender_name = models.CharField(
        max_length=100, default="Countinghouse", help_text="At the head of each mail, and as its sender."
    )
    reply_to = models.EmailField(blank=True, help_text="Where replies go. Empty: to the address that sends.")
    colour = models.CharField(
        max_length=7, default=COLOUR, help_text="Of buttons, such as #1d4d3a. White text on it must be readable."
    )
    footer = models.TextField(
        max_length=1000, blank=True, help_text="At the end of each mail: your address, for instance."
    )
    logo = models.BinaryField(default=b"", editable=False)

    class Meta:
        verbose_name_plural = "mail style"
        constraints: ClassVar = [models.CheckConstraint(condition=Q(id=1), name="mail_style_only_one")]

    def __str__(self) -> str:
        return "Mail style"
