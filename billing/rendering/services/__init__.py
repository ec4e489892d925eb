"""Documents as PDF, made from their stored content alone: the same content gives the same bytes, on any machine."""
