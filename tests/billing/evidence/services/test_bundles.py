"""The bundle of evidence: what it holds, its bytes, and what it refuses."""

import hashlib

import pytest

from accounts.domain.plain import canonical_json
from billing.evidence.domain.bundle import EventsShown, EvidenceStatement
from billing.evidence.services import bundles
from metering.errors import QueryTooLargeError
from metering.proofs.domain.signatures import is_signed
from metering.proofs.domain.trees import leaf_hash, root_by_path
from metering.services.voids import void_event
from tests.billing.evidence.evidence_world import DAY, bundle_of, invoiced_march, march, sign_all, text_of
from tests.billing.world import close_month, first_invoice, subscribe_tenant, use
from tests.metering.ledger_world import ledger_of

pytestmark = pytest.mark.django_db


def test_a_bundle_has_each_counted_event_with_its_way_to_a_signed_root() -> None:
    invoice = invoiced_march()
    sign_all()
    bundle = bundle_of(invoice)
    days = {day["day"]: day for day in bundle["days"]}
    assert next(iter(days)) == "2026-03-03"  # the chain begins with the first event
    assert list(days)[-1] == "2026-04-01"
    assert len(bundle["events"]) == 10
    for event in bundle["events"]:
        leaf = leaf_hash(event["content"].encode())
        assert leaf.hex() == event["leaf"]
        day = days[event["day"]]
        path = [bytes.fromhex(node) for node in event["path"]]
        assert root_by_path(leaf, index=event["index"], leaves=day["leaves"], path=path) == bytes.fromhex(day["root"])
    assert [event["day"] for event in bundle["events"]] == ["2026-03-03"] * 5 + ["2026-03-04"] * 3 + ["2026-04-01"] * 2


def test_the_head_is_signed_and_has_what_each_line_was_computed_from() -> None:
    invoice = invoiced_march()
    sign_all()
    bundle = bundle_of(invoice)
    head, [key] = bundle["head"], bundle["keys"]
    assert head["document"] == invoice.document.content
    [usage, fee] = head["lines"]
    leaves = hashlib.sha256(b"".join(bytes.fromhex(event["leaf"]) for event in bundle["events"])).hexdigest()
    assert usage == {
        "position": 1,
        "plan_version": 0,
        "meter": 0,
        "counted": 10,
        "leaves": 10,
        "digest": leaves,
        "known": head["known"],
    }
    assert fee == {
        "position": 2,
        "plan_version": 0,
        "meter": None,
        "counted": None,
        "leaves": 0,
        "digest": None,
        "known": None,
    }
    terms = head["plan_versions"][0]["terms"]
    assert hashlib.sha256(canonical_json(terms)).hexdigest() == head["plan_versions"][0]["digest"]
    digest = hashlib.sha256(canonical_json(head)).digest()
    text = EvidenceStatement(invoice.tenant_id, invoice.number or "", digest, key["id"]).text
    assert is_signed(bytes.fromhex(key["public_key"]), text, bytes.fromhex(bundle["signature"]["signature"]))


def test_the_same_invoice_gives_the_same_bytes() -> None:
    invoice = invoiced_march()
    sign_all()
    assert text_of(invoice) == text_of(invoice)


def test_hashes_show_nothing_of_the_events() -> None:
    invoice = invoiced_march()
    sign_all()
    full, hashes = bundle_of(invoice), bundle_of(invoice, EventsShown.HASHES)
    assert [set(full["events"][0]) - set(hashes["events"][0])] == [{"content"}]
    assert [event["leaf"] for event in hashes["events"]] == [event["leaf"] for event in full["events"]]


def test_an_event_of_a_day_that_is_not_signed_says_so() -> None:
    invoice = invoiced_march()
    sign_all(march(5))
    events = bundle_of(invoice)["events"]
    assert [event.get("unsigned") for event in events] == [None] * 8 + ["2026-04-01"] * 2
    assert "path" not in events[-1]


def test_before_anything_is_signed_there_are_no_days() -> None:
    bundle = bundle_of(invoiced_march())
    assert bundle["days"] == []
    assert {event["unsigned"] for event in bundle["events"]} == {"2026-03-03", "2026-03-04", "2026-04-01"}


def test_an_event_that_was_stored_late_is_found_in_the_tree_of_the_next_day() -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    use(subscription.tenant, at=march(3))
    sign_all(march(4, 1))
    use(subscription.tenant, at=march(3, 13))  # received on the third, stored after its tree was closed
    sign_all(march(5, 1))
    events = bundle_of(close_month(subscription))["events"]
    assert sorted(event["day"] for event in events) == ["2026-03-03", "2026-03-04"]


def test_voided_and_later_events_are_left_out() -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    one, two = use(subscription.tenant, at=march(3), count=2)
    ledger = ledger_of(subscription.tenant)
    void_event(ledger=ledger, event_id=one, reason="Sent twice", voided_by="staff", as_of=march(5))
    invoice = close_month(subscription)
    use(subscription.tenant, at=march(4), as_of=march(31) + 3 * DAY)
    sign_all(march(31) + 5 * DAY)
    events = bundle_of(invoice)["events"]
    assert [event["content"].split('"')[5] for event in events] == [two]


def test_an_invoice_without_usage_has_no_events() -> None:
    bundle = bundle_of(first_invoice(subscribe_tenant()))
    assert (bundle["events"], bundle["days"], bundle["head"]["meters"]) == ([], [], [])


def test_too_many_events_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "EVENTS_MAX", 9)
    with pytest.raises(QueryTooLargeError):
        bundle_of(invoiced_march())
