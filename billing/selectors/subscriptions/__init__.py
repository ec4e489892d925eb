"""Subscriptions as they stand."""
