"""Whether finalized invoices say what they were computed from: a batch of values, and checks over it."""
