"""The formats of dates and times on pages that set no format of their own."""
