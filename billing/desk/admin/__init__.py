"""The staff admin of what is done by hand."""

from billing.desk.admin import approvals, invoices, items, line_questions, payments

__all__ = ["approvals", "invoices", "items", "line_questions", "payments"]
