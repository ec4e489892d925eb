"""Receipts: what is signed at once, for which calls, and that nothing else differs."""

from typing import Any

import pytest
import time_machine
from rest_framework.test import APIClient

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from metering.proofs.domain.signatures import is_signed
from tests.metering.ledger_world import make_key, make_tenant
from tests.metering.proofs.api.test_proofs import client_of, public_key
from tests.metering.proofs.proof_world import noon, proven_tenant, sign_until

pytestmark = pytest.mark.django_db


def receipt_text(receipt: dict[str, Any]) -> bytes:
    lines = [f"leaf {leaf['day']} {leaf['leaf']}" for leaf in receipt["leaves"]]
    head = [f"{name} {receipt[name]}" for name in ("tenant", "ledger", "key", "signed")]
    return "".join(f"{line}\n" for line in ("countinghouse receipt v1", *head, *lines)).encode()


def report(client: APIClient, body: object, query: str = "?receipt=1") -> dict[str, Any]:
    with time_machine.travel(noon(), tick=False):
        return client.post(f"/api/v1/events{query}", body, format="json").json()


def event(id_: str, **members: object) -> dict[str, Any]:
    return {"id": id_, "type": "proven_call", **members}


def test_a_receipt_is_signed_and_its_leaf_is_in_the_days_tree() -> None:
    client = client_of(proven_tenant()[0])
    receipt = report(client, event("a"))["receipt"]
    text, signature = receipt_text(receipt), bytes.fromhex(receipt["signature"])
    assert is_signed(public_key(receipt["key"]), text, signature)
    assert not is_signed(public_key(receipt["key"]), text.replace(b"live", b"test"), signature)
    sign_until(0)
    proof = client.get("/api/v1/proofs/events/a").json()
    assert receipt["leaves"] == [{"id": "a", "source": None, "day": proof["day"]["day"], "leaf": proof["leaf"]}]


def test_a_batch_has_a_leaf_for_each_event_that_is_stored_now() -> None:
    client = client_of(proven_tenant()[0])
    first = report(client, event("known"))["receipt"]
    report(client, event("taken"))
    sent = [event("new"), event("known"), event("taken", quantity=2), {"id": "x", "type": "unheard"}]
    outcome = report(client, {"events": sent})
    leaves = outcome["receipt"]["leaves"]
    assert [leaf["id"] for leaf in leaves] == ["new", "known"]
    assert leaves[1]["leaf"] == first["leaves"][0]["leaf"]  # a repeat is the same leaf
    assert outcome["rejected"] == 2


def test_without_the_parameter_there_is_none() -> None:
    client = client_of(proven_tenant()[0])
    assert report(client, event("a"), "") == {"id": "a", "status": "accepted"}
    assert report(client, event("a"), "?receipt=0") == {"id": "a", "status": "duplicate"}
    assert report(client, event("b"), "?receipt=yes")["code"] == "invalid_flag"
    assert client.get("/api/v1/events/b").status_code == 404  # nothing was stored


def test_nothing_is_signed_of_what_is_refused() -> None:
    client = client_of(proven_tenant()[0])
    assert "receipt" not in report(client, {"events": [{"id": "x", "type": "unheard"}]})


def test_a_receipt_is_about_one_tenant() -> None:
    proven_tenant()
    make_tenant("globex")
    service = service_client()
    both = [event("a", tenant="acme"), event("b", tenant="globex")]
    assert report(service, {"events": both})["code"] == "receipt_of_several_tenants"
    assert report(service, {"events": both[1:]})["receipt"]["leaves"][0]["id"] == "b"


def service_client() -> APIClient:
    _, secret = make_key(None, kind=KeyKind.SERVICE, scopes=[Scope.EVENTS_WRITE])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client
