"""What verification looks at, loaded from the tables and from the raw ledger."""
