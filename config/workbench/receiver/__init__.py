"""A small receiver of webhooks for `make run`: it verifies what arrives, and shows it on a page."""
