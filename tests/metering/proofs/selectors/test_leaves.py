"""Leaves by SQL are those of docs/algorithms/proofs.md, for any text and number that an event can contain."""

import hashlib
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.sql import fetch_all
from metering.domain.canonical import event_key
from metering.domain.ledger import Ledger
from metering.proofs.selectors.leaves import leaves_of_events, leaves_of_voids
from metering.services.ingest import ingest_events
from metering.services.voids import void_event
from tests.metering.ledger_world import parsed
from tests.metering.proofs.proof_world import proven_tenant

PAGE = Path("docs/algorithms/proofs.md").read_text()
VECTORS = re.findall(r"^\| `(\[.*\])` \| `([0-9a-f]{64})` \|$", PAGE, re.MULTILINE)
HALF_PAST_NINE = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6)
VALUES = st.one_of(
    TEXTS, st.booleans(), st.none(), st.integers(-(10**19), 10**19),
    st.decimals(Decimal("-1e9"), Decimal("1e9"), places=9, allow_nan=False),
)  # fmt: skip


def micros(at: datetime) -> int:
    return int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000 + at.microsecond


@pytest.mark.django_db
def test_the_leaves_of_the_page_are_those_of_the_ledger() -> None:
    _, ledger = proven_tenant()
    properties = {"path": "/v1/ä", "bytes": Decimal("12.25"), "b": True}
    sent = {"id": "req-1", "type": "proven_call", "quantity": "1.50", "subject": "user 7", "properties": properties}
    received_at = HALF_PAST_NINE.replace(microsecond=250_000)
    events = parsed([sent | {"timestamp": "2026-03-10T09:30:00Z"}], as_of=received_at)
    key_id = UUID("00000000-0000-4000-8000-000000000001")
    ingest_events(ledger=ledger, events=events, api_key_id=key_id, as_of=received_at)
    void_event(
        ledger=ledger,
        event_id="req-1",
        reason="Sent twice",
        voided_by="Bob",
        as_of=HALF_PAST_NINE.replace(hour=10, minute=0),
    )
    keys = [event_key("", "req-1")]
    [(content, _), (void_content, void_leaf)] = VECTORS
    [(_, _, leaf, found)] = leaves_of_events(ledger, keys)
    assert found == content.replace("http_request", "proven_call")
    assert leaf == hashlib.sha256(b"\x00" + found.encode()).digest()
    assert [(leaf.hex(), text) for _, _, leaf, text in leaves_of_voids(ledger, keys)] == [(void_leaf, void_content)]


@pytest.mark.parametrize(("content", "leaf"), VECTORS)
def test_the_hashes_of_the_page_are_right(content: str, leaf: str) -> None:
    assert hashlib.sha256(b"\x00" + content.encode()).hexdigest() == leaf


class AnyEvent(TestCase):
    """Any event has the content that the page's rules give in Python."""

    @given(
        id_=TEXTS.filter(bool),
        subject=st.none() | TEXTS,
        quantity=st.decimals(0, Decimal("1e9"), places=9, allow_nan=False),
        properties=st.dictionaries(NAMES, VALUES, max_size=4),
    )
    def test_an_event_has_the_content_of_the_page(
        self, id_: str, subject: str | None, quantity: Decimal, properties: dict[str, object]
    ) -> None:
        ledger = Ledger(UUID(int=7), is_live=True, time_zone="UTC", backfill_days=35)
        sent = {"id": id_, "type": "http_request", "quantity": str(quantity), "properties": properties}
        sent |= {} if subject is None else {"subject": subject}
        events = parsed([sent], as_of=HALF_PAST_NINE)
        ingest_events(ledger=ledger, events=events, api_key_id=None, as_of=HALF_PAST_NINE)
        stored = fetch_all("SELECT properties::text FROM event WHERE tenant_id = %(id)s", {"id": ledger.tenant_id})
        [(_, _, leaf, content)] = leaves_of_events(ledger, [events[0].key])
        head = ["event", events[0].key.hex(), id_, "", "http_request", micros(HALF_PAST_NINE)]
        head += [plain(quantity), subject, None, micros(HALF_PAST_NINE)]
        assert content == f"{json.dumps(head, ensure_ascii=False)[:-1]}, {in_order(properties)}]"
        assert content.endswith(f", {stored[0][0]}]")
        assert leaf == hashlib.sha256(b"\x00" + content.encode()).digest()
        fetch_all("SELECT 1")


def plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def in_order(properties: dict[str, object]) -> str:
    """Return the properties by rule L4."""
    names = sorted(properties, key=lambda name: (len(name.encode()), name.encode()))
    return "{" + ", ".join(f"{json.dumps(name)}: {written(properties[name])}" for name in names) + "}"


def written(value: object) -> str:
    return (plain(value) or "0") if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
