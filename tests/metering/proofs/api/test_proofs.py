"""Proofs by the API: a day's root, an event's place in it, and the keys, checked as a client would."""

import hashlib

import pytest
import time_machine
from rest_framework.test import APIClient

from accounts.domain.scopes import Scope
from accounts.models import Tenant
from metering.proofs.domain.signatures import is_signed
from metering.proofs.domain.trees import root_by_path
from tests.metering.ledger_world import ledger_of, make_key, make_meter, make_tenant
from tests.metering.proofs.proof_world import noon, proven_tenant, sign_until, use

pytestmark = pytest.mark.django_db
ROOT = (
    "countinghouse root v1\ntenant {tenant}\nledger {ledger}\nday {day}\nleaves {leaves}\nlate {late}\n"
    "oldest {oldest}\nroot {root}\nprevious {previous}\nkey {key}\nsigned {signed}\n"
)


def client_of(tenant: Tenant, *scopes: Scope) -> APIClient:
    _, secret = make_key(tenant, scopes=list(scopes or (Scope.USAGE_READ, Scope.EVENTS_WRITE)))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def public_key(key_id: str) -> bytes:
    published = APIClient().get("/.well-known/countinghouse-keys.json").json()["keys"]
    return bytes.fromhex(next(key["public_key"] for key in published if key["id"] == key_id))


def is_authentic(day: dict[str, object]) -> bool:
    text = ROOT.format(**{name: "-" if value is None else value for name, value in day.items()})
    return is_signed(public_key(str(day["key"])), text.encode(), bytes.fromhex(str(day["signature"])))


def test_a_day_is_signed_by_a_published_key() -> None:
    tenant, ledger = proven_tenant()
    use(ledger, "a", at=noon())
    sign_until(1)
    client = client_of(tenant)
    day, empty = (client.get(f"/api/v1/proofs/{day}").json() for day in ("2026-03-10", "2026-03-11"))
    assert (day["leaves"], empty["leaves"], empty["oldest"]) == (1, 0, None)
    assert is_authentic(day)
    assert is_authentic(empty)
    assert not is_authentic(day | {"leaves": 2})


def test_an_event_is_proven_to_be_in_its_day() -> None:
    tenant, ledger = proven_tenant()
    use(ledger, *(f"e{number}" for number in range(5)), at=noon())
    client = client_of(tenant)
    assert client.get("/api/v1/proofs/events/e3").json()["code"] == "not_proven_yet"
    sign_until(0)
    proof = client.get("/api/v1/proofs/events/e3").json()
    leaf = hashlib.sha256(b"\x00" + proof["content"].encode()).digest()
    path = [bytes.fromhex(sibling) for sibling in proof["path"]]
    assert leaf.hex() == proof["leaf"]
    assert root_by_path(leaf, index=proof["index"], leaves=5, path=path) == bytes.fromhex(proof["day"]["root"])
    assert is_authentic(proof["day"])
    assert proof["void"] is None


def test_another_tenant_sees_neither_day_nor_event() -> None:
    _, ledger = proven_tenant()
    use(ledger, "a", at=noon())
    sign_until(0)
    stranger = client_of(make_tenant("globex"))
    assert stranger.get("/api/v1/proofs/events/a").status_code == 404
    assert stranger.get("/api/v1/proofs/2026-03-10").json()["code"] == "day_not_signed"
    assert stranger.get("/api/v1/proofs/yesterday").json()["code"] == "invalid_date"


def test_a_voided_event_has_both_proofs() -> None:
    tenant, ledger = proven_tenant()
    client = client_of(tenant)
    with time_machine.travel(noon(), tick=False):
        assert client.post("/api/v1/events", {"id": "a", "type": "proven_call"}, format="json").status_code == 201
        client.post("/api/v1/events/a/void", {"reason": "Sent twice"}, format="json")
    sign_until(0)
    proof = client.get("/api/v1/proofs/events/a").json()
    assert proof["day"] == proof["void"]["day"]
    assert ledger.tenant_id.hex not in proof["content"]


def test_keys_need_no_key_and_no_session() -> None:
    make_meter("calls", "proven_call")
    use(ledger_of(make_tenant("acme")), "a", at=noon())
    sign_until(0)
    response = APIClient().get("/.well-known/countinghouse-keys.json")
    assert response.headers["Cache-Control"] == "max-age=300, public"
    assert not response.cookies
    [key] = response.json()["keys"]
    assert set(key) == {"id", "algorithm", "public_key", "created_at", "endorsed_by", "endorsement"}
