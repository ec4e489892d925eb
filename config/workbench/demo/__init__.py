"""The demo's data: its tenants and people (`cast`), their traffic (`traffic`), and its creation (`steps`)."""
