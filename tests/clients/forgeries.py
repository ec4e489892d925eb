"""Ways to forge an invoice's evidence, each with what the verifier must name.

Two kinds of forgers: whoever holds the file and no key; and the seller, who signs the head again (`is_signed`) and
makes all sums follow, but cannot change the days that were signed.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from accounts.domain.plain import canonical_json
from metering.proofs.domain.signatures import new_private_key, public_key_of, sign
from metering.proofs.domain.trees import leaf_hash

Bundle = dict[str, Any]
Change = Callable[[Bundle], object]


@dataclass(frozen=True)
class Forgery:
    """One forgery of the second invoice; `says` is what the verifier must name."""

    name: str
    change: Change
    says: str
    is_signed: bool = False


def document(bundle: Bundle) -> dict[str, Any]:
    found: dict[str, Any] = bundle["head"]["document"]
    return found


def line(bundle: Bundle, kind: str, what: str = "") -> dict[str, Any]:
    return next(one for one in document(bundle)["lines"] if one["kind"] == kind and what in one["description"])


def entry(bundle: Bundle, kind: str, what: str = "") -> dict[str, Any]:
    """Return what the head says of a line."""
    found: dict[str, Any] = bundle["head"]["lines"][line(bundle, kind, what)["position"] - 1]
    return found


def events(bundle: Bundle, kind: str, what: str = "") -> list[dict[str, Any]]:
    position = line(bundle, kind, what)["position"]
    return [event for event in bundle["events"] if position in event["lines"]]


def meter(bundle: Bundle, code: str) -> dict[str, Any]:
    return next(one for one in bundle["head"]["meters"] if one["code"] == code)


def terms(bundle: Bundle, plan: str) -> dict[str, Any]:
    return next(one for one in bundle["head"]["plan_versions"] if one["terms"]["plan"] == plan)


def price(bundle: Bundle, plan: str, code: str) -> dict[str, Any]:
    found: dict[str, Any] = next(row[3] for row in terms(bundle, plan)["terms"]["prices"] if row[1] == code)
    return found


def follow(bundle: Bundle) -> None:
    """Compute sums, taxes and digests again from lines and events, as a careful forger does."""
    head, content = bundle["head"], document(bundle)
    for row in content["taxes"]:
        base = sum(
            one["amount_minor"] for one in content["lines"] if one["tax"] and one["tax"]["rate"] == row["percent"]
        )
        exact = Decimal(base) * Decimal(row["percent"]) / 100
        row |= {"base_minor": base, "amount_minor": int(exact.quantize(Decimal(1), ROUND_HALF_UP))}
    carried = sum(one["amount_minor"] for one in content["lines"] if one["kind"] == "carry")
    subtotal = sum(one["amount_minor"] for one in content["lines"]) - carried
    tax = sum(row["amount_minor"] for row in content["taxes"])
    content |= {"subtotal_minor": subtotal, "tax_minor": tax, "carried_minor": carried}
    content |= {"total_minor": subtotal + tax + carried, "due_minor": subtotal + tax + carried - content["paid_minor"]}
    head["document_digest"] = hashlib.sha256(canonical_json(content)).hexdigest()
    for one in head["lines"]:
        leaves = [bytes.fromhex(event["leaf"]) for event in bundle["events"] if one["position"] in event["lines"]]
        one["leaves"] = len(leaves)
        one["digest"] = hashlib.sha256(b"".join(leaves)).hexdigest() if leaves else None


def flip(text: str) -> str:
    """Return hexadecimal digits with the last one changed."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def flipped(of: dict[str, Any], name: str) -> None:
    of[name] = flip(of[name])


def added(of: dict[str, Any], name: str, more: int = 1) -> None:
    of[name] += more


def put(of: dict[str, Any], **values: Any) -> None:
    of.update(values)


def rewritten(event: dict[str, Any], old: str, new: str) -> None:
    """Change the content of an event, and its leaf with it."""
    assert old in event["content"], event["content"]
    event["content"] = event["content"].replace(old, new, 1)
    event["leaf"] = leaf_hash(event["content"].encode()).hex()


def dropped(bundle: Bundle, event: dict[str, Any]) -> None:
    bundle["events"].remove(event)


def doubled(bundle: Bundle, event: dict[str, Any]) -> None:
    bundle["events"].insert(bundle["events"].index(event), dict(event))


def other_history(bundle: Bundle) -> None:
    """Sign everything again by a key of one's own: nothing in the file is wrong but whose key it is."""
    private = new_private_key()
    public = public_key_of(private)
    name = hashlib.sha256(public).hexdigest()[:16]
    [first, *_] = bundle["keys"]
    bundle["keys"] = [first | {"id": name, "public_key": public.hex(), "endorsed_by": None, "endorsement": None}]
    previous = bundle["days"][0]["previous"]
    for day in bundle["days"]:
        day |= {"previous": previous, "key": name}
        text = "countinghouse root v1\n" + "".join(
            f"{member} {'-' if day[member] is None else day[member]}\n"
            for member in ("tenant", "ledger", "day", "leaves", "late", "oldest", "root", "previous", "key", "signed")
        )
        day["signature"] = sign(private, text.encode()).hex()
        previous = hashlib.sha256(text.encode()).hexdigest()
    head = bundle["head"]
    digest = hashlib.sha256(canonical_json(head)).hexdigest()
    text = f"countinghouse evidence v1\ntenant {head['tenant']}\ninvoice {head['invoice']}\nhead {digest}\nkey {name}\n"
    bundle["signature"] = {"key": name, "signature": sign(private, text.encode()).hex()}


def dearer(bundle: Bundle) -> None:
    """Raise a price in the plan, its digest, the steps and the amount: what the plan's page said no longer holds."""
    price(bundle, "basic", "tokens")["unit_amount"] = "0.000237"
    entry_of_plan = terms(bundle, "basic")
    entry_of_plan["digest"] = hashlib.sha256(canonical_json(entry_of_plan["terms"])).hexdigest()


def unsigned(event: dict[str, Any]) -> None:
    day = event.pop("day")
    del event["index"], event["path"]
    event["unsigned"] = day


def moved(bundle: Bundle, event: dict[str, Any], kind: str, what: str) -> None:
    event["lines"] = [line(bundle, kind, what)["position"]]


def stretch(bundle: Bundle, what: str = "Team: calls") -> dict[str, Any]:
    """Return the explanation of the second stretch of a period."""
    found: dict[str, Any] = line(bundle, "usage", what)["explanation"]
    return found


def given_back(bundle: Bundle) -> dict[str, Any]:
    return next(one for one in document(bundle)["lines"] if one["kind"] == "proration" and one["amount_minor"] < 0)


BY_STRANGERS: Final = (
    Forgery("the total is raised", lambda b: added(document(b), "total_minor", 100), "total_minor"),
    Forgery("a line costs less", lambda b: added(line(b, "usage", "calls"), "amount_minor", -1), "amount_minor"),
    Forgery("the head says another invoice", lambda b: put(b["head"], invoice="INV-2026-999999"), "signature"),
    Forgery("the head's signature is another", lambda b: flipped(b["signature"], "signature"), "head: the signature"),
    Forgery(
        "a filter of a meter is loosened",
        lambda b: meter(b, "calls")["versions"][0].update(filters={}),
        "head: the sig",
    ),
    Forgery("a tier is longer", lambda b: price(b, "basic", "calls")["tiers"][0].update(up_to="99"), "plan Basic"),
    Forgery(
        "an event's quantity is raised", lambda b: put(events(b, "usage", "calls")[0], content='["event"]'), "event"
    ),
    Forgery("an event is rewritten", lambda b: rewritten(events(b, "usage", "calls")[0], '"7.25"', '"8.25"'), "path"),
    Forgery("an event is dropped", lambda b: dropped(b, events(b, "usage", "calls")[0]), "the number of its events"),
    Forgery("an event is there twice", lambda b: doubled(b, b["events"][0]), "twice"),
    Forgery("two events change places", lambda b: b["events"].reverse(), "out of order"),
    Forgery("a sibling of a path is another", lambda b: b["events"][0]["path"].__setitem__(0, "00" * 32), "path"),
    Forgery("a path lacks its end", lambda b: b["events"][0]["path"].pop(), "path"),
    Forgery("a path is longer", lambda b: b["events"][0]["path"].append("00" * 32), "path"),
    Forgery("an index is another", lambda b: put(b["events"][0], index=b["events"][0]["index"] ^ 1), "path"),
    Forgery("an index is below 0", lambda b: put(b["events"][0], index=-1), "path"),
    Forgery("an event names another day", lambda b: put(b["events"][0], day=b["events"][-1]["day"]), "tree of"),
    Forgery("an event names a day that is not there", lambda b: put(b["events"][0], day="2030-01-01"), "no signed day"),
    Forgery("a root is another", lambda b: flipped(b["days"][3], "root"), "its signature"),
    Forgery("a day has fewer leaves", lambda b: added(b["days"][3], "leaves", -1), "its signature"),
    Forgery("a day hides late leaves", lambda b: added(b["days"][3], "late", 1), "its signature"),
    Forgery(
        "a day is signed earlier", lambda b: put(b["days"][3], signed="2026-02-01T00:00:00.000000Z"), "its signature"
    ),
    Forgery("a day is left out", lambda b: b["days"].pop(5), "does not follow"),
    Forgery("two days change places", lambda b: b["days"].insert(4, b["days"].pop(5)), "does not follow"),
    Forgery("a day is there twice", lambda b: b["days"].insert(4, b["days"][4]), "does not follow"),
    Forgery("a day is chained to another", lambda b: flipped(b["days"][3], "previous"), "digest of the day before"),
    Forgery("a day is of the test ledger", lambda b: put(b["days"][3], ledger="test"), "another ledger"),
    Forgery(
        "a day bears the signature of another", lambda b: put(b["days"][3], signature=b["days"][4]["signature"]), "sig"
    ),
    Forgery("a key is replaced below its name", lambda b: put(b["keys"][0], public_key="11" * 32), "its id"),
    Forgery("an endorsement is forged", lambda b: flipped(b["keys"][1], "endorsement"), "did not sign"),
    Forgery("all is signed by another key", other_history, "neither a key that you trust"),
    Forgery("the document's digest is another", lambda b: flipped(b["head"], "document_digest"), "its digest"),
)
BY_THE_SELLER: Final = tuple(
    Forgery(name, change, says, is_signed=True)
    for name, change, says in (
        ("a line costs a cent more", lambda b: added(line(b, "usage", "calls"), "amount_minor"), "amount_minor"),
        ("a fee is doubled", lambda b: added(line(b, "recurring"), "amount_minor", 9900), "amount_minor"),
        ("more was used than there are events", lambda b: put(line(b, "usage", "calls"), quantity="99"), "quantity"),
        ("an event is left out", lambda b: dropped(b, events(b, "usage", "calls")[0]), "quantity is"),
        ("an event is invented", lambda b: rewritten(events(b, "usage", "calls")[0], '"7.25"', '"9.25"'), "path"),
        ("an event is charged twice", lambda b: doubled(b, events(b, "usage", "calls")[0]), "twice"),
        ("an event has another key", lambda b: rewritten(b["events"][0], '["event", "', '["event", "0'), "its key"),
        ("a level is charged as calls", lambda b: moved(b, events(b, "usage", "disk")[0], "usage", "calls"), "type"),
        ("an event is charged to a fee", lambda b: moved(b, b["events"][0], "recurring", ""), "counts no events"),
        ("a signed event is called unsigned", lambda b: unsigned(b["events"][0]), "neither of the signed trees"),
        ("the number of events is another", lambda b: added(entry(b, "usage", "calls"), "counted"), "number of events"),
        ("a sum is counted", lambda b: meter(b, "calls")["versions"][0].update(aggregation="count"), "quantity"),
        ("a formula is dearer", lambda b: meter(b, "tokens")["versions"][0].update(formula="9 * input"), "quantity"),
        (
            "a filter is other",
            lambda b: meter(b, "calls")["versions"][0].update(filters={"status": ["500"]}),
            "filters",
        ),
        (
            "the meter began later",
            lambda b: put(meter(b, "calls"), counts_from="2026-02-15T00:00:00Z"),
            "began to count",
        ),
        (
            "it was computed earlier",
            lambda b: put(b["head"], known="2026-02-04T00:00:00Z"),
            "until another time than",
        ),
        (
            "the period is shorter",
            lambda b: line(b, "usage", "calls")["period"].update(end="2026-02-03T00:00:00Z"),
            "period",
        ),
        ("a price is raised everywhere", dearer, "line"),
        (
            "a price is raised without its digest",
            lambda b: price(b, "team", "tokens").update(unit_amount="1"),
            "plan Team",
        ),
        (
            "a step costs more",
            lambda b: line(b, "usage", "tokens")["explanation"]["steps"][0].update(unit_amount="1"),
            "steps",
        ),
        (
            "the exact amount is other",
            lambda b: line(b, "usage")["explanation"].update(exact_amount="1"),
            "exact_amount",
        ),
        (
            "it is rounded up",
            lambda b: line(b, "usage")["explanation"].update(rounding={"mode": "up", "digits": 2}),
            "rounding",
        ),
        ("included units are taken away", lambda b: stretch(b)["position"].update(units="0"), "position"),
        ("a period had more before", lambda b: stretch(b, "Team: files")["position"].update(once="9"), "position"),
        ("the fee given back is smaller", lambda b: given_back(b)["explanation"].update(fee="19"), "the fee"),
        ("less days are given back", lambda b: added(given_back(b), "amount_minor", 100), "amount_minor"),
        ("a single item costs more", lambda b: added(line(b, "one_off"), "amount_minor", 5), "amount_minor"),
        ("a tax is rounded up", lambda b: added(document(b)["taxes"][0], "amount_minor"), "tax VAT"),
        ("a tax is on more", lambda b: added(document(b)["taxes"][0], "base_minor", 100), "base_minor"),
        ("a tax is left out", lambda b: document(b)["taxes"].clear(), "taxes: the list"),
        ("the subtotal is no sum", lambda b: added(document(b), "subtotal_minor", 1), "subtotal_minor"),
        ("what is due is no difference", lambda b: added(document(b), "due_minor", 1), "due_minor"),
        ("the currency has no cents", lambda b: put(document(b), digits=0), "digits"),
        ("a line is left out", lambda b: document(b)["lines"].pop(0), "not in order"),
        ("a line bears no tax", lambda b: put(line(b, "usage"), tax=None), "bears no tax"),
    )
)
# These say themselves what follows: sums are not made to follow after them.
AFTER_SUMS: Final = frozenset(
    {
        "a tax is rounded up", "a tax is on more", "a tax is left out", "the subtotal is no sum", "a line bears no tax",
        "what is due is no difference", "the number of events is another", "a line is left out",
    }
)  # fmt: skip
