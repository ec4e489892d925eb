"""Template tags of the staff admin."""
