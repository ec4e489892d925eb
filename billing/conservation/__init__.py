"""The amounts that a subscription's documents must have, calculated without the code that created them.

It uses plain numbers and separate rules: nothing here imports code that computes, rates, prorates or taxes invoices.
"""
