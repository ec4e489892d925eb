"""What is sold, as it is read."""
