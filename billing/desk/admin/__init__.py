"""The staff admin of what is done by hand."""

from billing.desk.admin import approvals, invoices, items, payments

__all__ = ["approvals", "invoices", "items", "payments"]
