"""Proofs: each tenant's day as a signed Merkle tree, receipts, and the keys that sign. Knows no money."""

from django.apps import AppConfig


class ProofsConfig(AppConfig):
    """The proofs app, inside metering."""

    name = "metering.proofs"
    label = "proofs"
    default_auto_field = "django.db.models.BigAutoField"
