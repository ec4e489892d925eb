"""What members fill in. A form parses and explains; whether something is allowed is decided by the services."""
