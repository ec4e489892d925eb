"""Verification of finalized invoices from the raw ledger."""
