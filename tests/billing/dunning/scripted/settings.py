"""The second provider has no settings of its own."""

from django.core.checks import CheckMessage

from billing.collection.domain.environment import ReadsEnvironment


def read_settings(_env: ReadsEnvironment, *, is_production: bool) -> dict[str, object]:
    return {}


def check_settings() -> list[CheckMessage]:
    return []
