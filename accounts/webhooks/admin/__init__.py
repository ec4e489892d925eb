"""The staff admin of webhooks: endpoints and deliveries."""

from accounts.webhooks.admin import records

__all__ = ["records"]
