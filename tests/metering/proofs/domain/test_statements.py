"""Signed texts are those of docs/algorithms/proofs.md, to the byte."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

from metering.proofs.domain.signatures import sign
from metering.proofs.domain.statements import (
    NOTHING_BEFORE,
    ReceiptStatement,
    RootStatement,
    endorsement_text,
    key_id_of,
)
from metering.proofs.domain.trees import root_of

PAGE = Path("docs/algorithms/proofs.md").read_text()
TEXTS = [block.encode() for block in re.findall(r"```\n(countinghouse .*?)```", PAGE, re.DOTALL)]
PRIVATE = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
SUCCESSOR = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
EVENT, VOID = [bytes.fromhex(leaf) for leaf in re.findall(r"\]` \| `([0-9a-f]{64})` \|$", PAGE, re.MULTILINE)]
TENANT = UUID("00000000-0000-4000-8000-00000000000a")
HALF_PAST_NINE = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)


def test_a_root_is_signed_as_on_the_page() -> None:
    statement = RootStatement(
        tenant_id=TENANT,
        is_live=True,
        day=date(2026, 3, 10),
        leaves=2,
        late=0,
        oldest_at=HALF_PAST_NINE,
        root=root_of(sorted([EVENT, VOID])),
        previous=NOTHING_BEFORE,
        key_id=key_id_of(PUBLIC),
        signed_at=datetime(2026, 3, 11, 0, 20, tzinfo=UTC),
    )
    assert statement.text == TEXTS[0]
    assert f"`{statement.digest.hex()}`" in PAGE
    assert f"`{sign(PRIVATE, statement.text).hex()}`" in PAGE


def test_a_receipt_is_signed_as_on_the_page() -> None:
    received_at = HALF_PAST_NINE.replace(microsecond=250_000)
    statement = ReceiptStatement(TENANT, True, ((date(2026, 3, 10), EVENT),), key_id_of(PUBLIC), received_at)
    assert statement.text == TEXTS[1]
    assert f"`{sign(PRIVATE, statement.text).hex()}`" in PAGE


def test_a_successor_is_endorsed_as_on_the_page() -> None:
    text = endorsement_text(public_key=SUCCESSOR, created_at=datetime(2027, 1, 1, tzinfo=UTC))
    assert text == TEXTS[2]
    assert f"`{sign(PRIVATE, text).hex()}`" in PAGE
