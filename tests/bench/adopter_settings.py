"""The settings of the adopter's project in `tests.bench.adopter`."""

from config.settings import *  # noqa: F403 - a project's settings begin with ours

ROOT_URLCONF = "tests.bench.adopter"
