"""Invoices: what is due, what would be made, what was issued."""
