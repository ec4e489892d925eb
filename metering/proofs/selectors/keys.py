"""Reads of the keys that sign proofs."""

from collections.abc import Mapping

from metering.proofs.models import ProofKey


def current_key() -> ProofKey | None:
    """Return the key that signs now; None before the first was created."""
    return ProofKey.objects.order_by("-created_at", "-id").first()


def published_keys() -> list[Mapping[str, object]]:
    """Return the public part of every key, the newest first."""
    return [
        {
            "id": key.id,
            "algorithm": "Ed25519",
            "public_key": bytes(key.public_key).hex(),
            "created_at": key.created_at,
            "endorsed_by": key.endorsed_by_id,
            "endorsement": None if key.endorsement is None else bytes(key.endorsement).hex(),
        }
        for key in ProofKey.objects.order_by("-created_at", "-id")
    ]
