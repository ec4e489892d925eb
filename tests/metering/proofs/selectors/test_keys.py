"""Public keys, old ones included."""

import pytest

from metering.proofs.selectors.keys import current_key, published_keys
from metering.proofs.services.keys import rotate_key
from tests.metering.proofs.proof_world import noon

pytestmark = pytest.mark.django_db


def test_every_public_key_is_published_and_no_private_one() -> None:
    assert (current_key(), published_keys()) == (None, [])
    first, second = rotate_key(as_of=noon()), rotate_key(as_of=noon(1))
    assert [key["id"] for key in published_keys()] == [second.id, first.id]
    assert published_keys()[0]["endorsed_by"] == first.id
    assert not any(key.sealed in str(published_keys()) for key in (first, second))
