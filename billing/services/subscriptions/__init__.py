"""Who bought what: a subscription from its first day to its last, and how its tenant is billed."""
