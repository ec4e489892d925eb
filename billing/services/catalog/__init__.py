"""What is sold: plans, their versions and prices."""
