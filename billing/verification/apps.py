"""Verification: invoices and books looked at again beside the raw ledger, and which events nothing needs any more."""

from django.apps import AppConfig


class VerificationConfig(AppConfig):
    """The app above billing's core: what issues documents knows nothing of what proves them."""

    name = "billing.verification"
    label = "verification"
