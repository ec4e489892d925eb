"""What a subscription's documents must come to, calculated without the code that made them.

Plain numbers and own rules: nothing here imports how invoices are computed, rated, prorated or taxed.
"""
