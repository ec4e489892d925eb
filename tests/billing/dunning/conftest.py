"""The provider of dunning's tests."""

import pytest
from pytest_django import Settings

from billing.collection.gateways import registry
from tests.billing.dunning.scripted.provider import ScriptedProvider


@pytest.fixture
def provider(settings: Settings) -> ScriptedProvider:
    """Set up a provider alone, with an empty memory, which charges as its script says."""
    settings.PAYMENT_PROVIDERS = ["tests.billing.dunning.scripted"]
    scripted = registry.provider_named("second")
    assert isinstance(scripted, ScriptedProvider)
    scripted.__init__()  # type: ignore[misc]  # forget what the test before left
    return scripted
