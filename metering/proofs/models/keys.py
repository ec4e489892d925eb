"""The keys that sign proofs. Nothing of a key is ever changed: a rotation adds the next one."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class ProofKey(models.Model):
    """An Ed25519 key. The newest one signs; the public parts of all are published for good.

    `sealed` is the private part, encrypted at rest. The key before signed the `endorsement`, so that whoever trusts one
    key can follow to the next.
    """

    id = models.CharField(max_length=16, primary_key=True, help_text="The beginning of the public key's digest.")
    public_key = models.BinaryField()
    sealed = models.TextField(editable=False)
    endorsed_by = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="successor", help_text="The key before."
    )
    endorsement = models.BinaryField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(endorsed_by=None, endorsement=None)
                | Q(endorsed_by__isnull=False, endorsement__isnull=False),
                name="proof_key_endorsement_whole",
            ),
            models.UniqueConstraint(
                models.ExpressionWrapper(Q(endorsed_by=None), output_field=models.BooleanField()),
                condition=Q(endorsed_by=None),
                name="proof_key_one_is_first",
            ),
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.id
