"""Keys: sealed at rest, rotated in a chain of endorsements, never changed."""

from datetime import timedelta

import pytest
from django.db import connection

from metering.proofs.domain.signatures import is_signed
from metering.proofs.domain.statements import endorsement_text
from metering.proofs.errors import ProofKeyUnreadableError
from metering.proofs.models import ProofKey
from metering.proofs.services.keys import private_part, rotate_key, signing_key
from tests.metering.proofs.proof_world import noon

pytestmark = pytest.mark.django_db


def test_the_first_key_is_created_once_and_is_sealed() -> None:
    key_id, private = signing_key(as_of=noon())
    assert signing_key(as_of=noon(1)) == (key_id, private)
    key = ProofKey.objects.get()
    assert private.hex() not in key.sealed
    assert private_part(key) == private


def test_a_rotation_is_endorsed_by_the_key_before_and_signs_from_then_on() -> None:
    first_id, _ = signing_key(as_of=noon())
    second = rotate_key(as_of=noon() - timedelta(hours=1))  # by a machine whose clock is late
    first = ProofKey.objects.get(pk=first_id)
    text = endorsement_text(public_key=bytes(second.public_key), created_at=second.created_at)
    assert is_signed(bytes(first.public_key), text, bytes(second.endorsement))
    assert signing_key(as_of=noon(1))[0] == second.id != first_id


def test_a_rotation_without_a_key_creates_the_first() -> None:
    assert rotate_key(as_of=noon()).endorsed_by is None


def test_nothing_is_signed_by_a_key_that_cannot_be_read(settings: object) -> None:
    signing_key(as_of=noon())
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 10, []
    with pytest.raises(ProofKeyUnreadableError, match="SECRET_KEY_FALLBACKS"):
        signing_key(as_of=noon())


def test_a_public_key_that_was_put_in_place_of_ours_is_noticed() -> None:
    signing_key(as_of=noon())
    key = ProofKey.objects.get()
    key.public_key = bytes(32)
    with pytest.raises(ProofKeyUnreadableError, match="is not that of"):
        private_part(key)


@pytest.mark.parametrize(
    ("endorsed_by", "endorsement", "constraint"),
    [("id", "NULL", "proof_key_endorsement_whole"), ("NULL", "NULL", "proof_key_one_is_first")],
)
def test_only_the_first_key_has_none_before(endorsed_by: str, endorsement: str, constraint: str) -> None:
    signing_key(as_of=noon())
    with connection.cursor() as cursor, pytest.raises(Exception, match=constraint):
        cursor.execute(
            "INSERT INTO proofs_proofkey (id, public_key, sealed, created_at, endorsed_by_id, endorsement)"
            f" SELECT 'x', '\\x00', '', created_at, {endorsed_by}, {endorsement} FROM proofs_proofkey"
        )
