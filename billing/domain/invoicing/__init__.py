"""What an invoice says, computed from a subscription's state, its usage and what was invoiced before."""
