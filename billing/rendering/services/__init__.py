"""Documents as PDF, rendered from their stored content alone: the same content gives the same bytes everywhere."""
