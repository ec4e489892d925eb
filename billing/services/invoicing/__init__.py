"""The month's close: drafting what is due, finalizing what has waited for its grace, and running both."""
