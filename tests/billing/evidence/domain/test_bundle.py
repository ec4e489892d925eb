"""The text that is signed, by the values of docs/algorithms/evidence.md, and the form of a bundle."""

import json
import re
from pathlib import Path
from uuid import UUID

from billing.evidence.domain.bundle import FORM, EvidenceStatement, digest_of_head, written
from metering.proofs.domain.signatures import sign

PAGE = (Path(__file__).parents[4] / "docs" / "algorithms" / "evidence.md").read_text()
PRIVATE_KEY = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")


def test_the_text_and_its_signature_are_those_of_the_page() -> None:
    [text] = re.findall(rf"```\n({FORM}.*?)```", PAGE, re.DOTALL)
    fields = dict(line.split(" ", 1) for line in text.splitlines()[1:])
    statement = EvidenceStatement(
        UUID(fields["tenant"]), fields["invoice"], bytes.fromhex(fields["head"]), fields["key"]
    )
    assert statement.text == text.encode()
    assert f"`{sign(PRIVATE_KEY, statement.text).hex()}`" in PAGE


def test_the_order_of_names_does_not_matter_to_the_digest_of_a_head() -> None:
    assert digest_of_head({"a": 1, "b": "ä"}) == digest_of_head({"b": "ä", "a": 1})
    assert digest_of_head({"a": 1}) != digest_of_head({"a": 2})


def test_a_bundle_is_one_object_with_a_line_for_each_row() -> None:
    events = [{"leaf": "01"}, {"leaf": "02"}]
    parts = list(written(head={"b": 1, "a": "ä"}, signature={}, keys=[], days=[{"day": "d"}], events=iter(events)))
    text = b"".join(parts)
    assert json.loads(text) == {
        "format": FORM,
        "head": {"a": "ä", "b": 1},
        "signature": {},
        "keys": [],
        "days": [{"day": "d"}],
        "events": events,
    }
    assert b'\n"head":{"a":"\\u00e4","b":1},\n' in text
    assert b'[\n{"leaf":"01"},\n{"leaf":"02"}\n]}\n' in text
