"""The demonstration's data: who is in it (`cast`), how they use their API (`traffic`), and how it all comes to be (`steps`)."""
