"""The staff admin of taxes: rates, registrations, exchange rates and checks of tax ids."""

from billing.taxation.admin import settings, tax_ids

__all__ = ["settings", "tax_ids"]
