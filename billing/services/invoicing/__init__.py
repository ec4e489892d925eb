"""Invoices: drafted, finalized, moved along their status, paid, and what could not be billed."""
