"""How passwords are kept: Argon2id with the least costs that OWASP names (19 MiB, two passes, one lane).

A sign-in that anybody may try costs some 30 ms of CPU so, and a guess as much as elsewhere.
"""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2idHasher(Argon2PasswordHasher):
    """Django's, which by itself takes 100 MiB and eight lanes for each sign-in."""

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
