"""The keys that sign: created at the first need, rotated by a command, encrypted at rest."""

from datetime import datetime, timedelta
from typing import Final

from cryptography.fernet import InvalidToken
from django.db import connection, transaction

from accounts.at_rest import PROOF_KEY, seal_text, unseal_text
from accounts.sql import fetch_all
from metering.proofs.domain.signatures import new_private_key, public_key_of, sign
from metering.proofs.domain.statements import endorsement_text, key_id_of
from metering.proofs.errors import ProofKeyUnreadableError
from metering.proofs.models import ProofKey
from metering.proofs.selectors.keys import current_key

KEYS_LOCK: Final = 7310468231
_LATER: Final = timedelta(microseconds=1)


def signing_key(*, as_of: datetime) -> tuple[str, bytes]:
    """Return the id and the private part of the key that signs now, creating the first one if needed.

    Raises `ProofKeyUnreadableError` if the signing secret that encrypted it is gone.
    """
    key = current_key() or _create_first(as_of=as_of)
    return key.id, private_part(key)


def private_part(key: ProofKey) -> bytes:
    """Return the private part of a key. Raises `ProofKeyUnreadableError`."""
    try:
        private = bytes.fromhex(unseal_text(key.sealed, purpose=PROOF_KEY))
    except InvalidToken as error:
        raise ProofKeyUnreadableError(
            "The key that signs proofs was encrypted by another SECRET_KEY. Name that one in SECRET_KEY_FALLBACKS."
        ) from error
    if public_key_of(private) != bytes(key.public_key):
        raise ProofKeyUnreadableError(f"The private part of key {key.id} is not that of its public part.")
    return private


@transaction.atomic
def rotate_key(*, as_of: datetime) -> ProofKey:
    """Create the key that signs from now on. The one before signs that it is the successor."""
    lock_keys()
    before = current_key()
    if before is None:
        return _store(private=new_private_key(), before=None, as_of=as_of)
    # The newest signs, whatever the clocks of two machines say.
    return _store(private=new_private_key(), before=before, as_of=max(as_of, before.created_at + _LATER))


def lock_keys() -> None:
    """Wait for others who create keys, until the transaction ends."""
    assert connection.in_atomic_block, "the lock would be released at once"
    fetch_all("SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": KEYS_LOCK})


@transaction.atomic
def _create_first(*, as_of: datetime) -> ProofKey:
    lock_keys()
    return current_key() or _store(private=new_private_key(), before=None, as_of=as_of)


def _store(*, private: bytes, before: ProofKey | None, as_of: datetime) -> ProofKey:
    public = public_key_of(private)
    endorsement = None
    if before is not None:
        endorsement = sign(private_part(before), endorsement_text(public_key=public, created_at=as_of))
    return ProofKey.objects.create(
        id=key_id_of(public),
        public_key=public,
        sealed=seal_text(private.hex(), purpose=PROOF_KEY),
        endorsed_by=before,
        endorsement=endorsement,
        created_at=as_of,
    )
