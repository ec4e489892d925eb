"""Documents of invoices and credit notes: rendered, stored by their hash, and mailed."""
