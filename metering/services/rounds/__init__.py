"""Rounds: requests that wait in one process at the same time are decided and stored by one transaction.

A round speaks for many tenants, so its session comes in by `ingest`, which adds to any ledger and reads no event
(decisions 0017 and 0023).
"""
