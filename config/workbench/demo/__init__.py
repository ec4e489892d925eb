"""The demonstration's data: who is in it (`cast`), how they use their API (`traffic`), how it is made (`steps`)."""
