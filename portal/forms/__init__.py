"""The forms of the portal. A form parses input and shows errors; the services decide what is allowed."""
