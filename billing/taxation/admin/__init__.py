"""What staff see of taxes: rates, registrations, exchange rates, and what is known of tax ids."""

from billing.taxation.admin import settings, tax_ids

__all__ = ["settings", "tax_ids"]
