"""How dates and times are written where a page names no format of its own."""
