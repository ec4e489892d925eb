"""The lake without its libraries. How it is written and read is tested with `services.sealing`."""

import pytest

from metering.lake.errors import LakeUnavailableError
from metering.lake.gateways import iceberg


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iceberg, "pa", None)
    with pytest.raises(LakeUnavailableError, match="make lake"):
        iceberg.lake_of_settings()
