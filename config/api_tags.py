"""The groups of the API's calls, in the order of the page; each operation has one."""

from typing import Final

API_TAGS: Final = [
    {"name": "Events", "description": "Report usage, list it, and void events that were reported by mistake."},
    {"name": "Authorization", "description": "Authorize a request and count it in one step."},
    {"name": "Usage", "description": "Exact and current usage."},
    {"name": "Proofs", "description": "Signed days of the ledger, and the place of an event in them."},
    {"name": "Plans", "description": "The plans for sale."},
    {"name": "Subscriptions", "description": "The tenant's subscription and its next invoice."},
    {"name": "Invoices", "description": "Invoices, down to the single event."},
    {"name": "Credit notes", "description": "The documents that correct invoices."},
    {"name": "Payments", "description": "Payments received, each with a receipt."},
    {"name": "Alerts", "description": "Crossed thresholds of quotas and budgets, anomalies, predicted crossings."},
    {"name": "Budgets", "description": "Limits that a customer sets on its own usage or spend."},
    {"name": "API keys", "description": "The tenant's keys and their limits."},
    {"name": "Webhooks", "description": "Endpoints that are told of events, and the deliveries to them."},
    {"name": "Tenants", "description": "For the operator: the customers."},
    {"name": "Operations", "description": "For the operator: run scheduled jobs now."},
    {"name": "Demo", "description": "Calls to try metering on: each is metered."},
]
