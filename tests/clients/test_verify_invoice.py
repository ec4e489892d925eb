"""`docs/clients/verify_invoice.py`: true evidence is proved, each forgery is found and named."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.clients.evidence_bundles import Evidence, make_evidence
from tests.clients.forgeries import AFTER_SUMS, BY_STRANGERS, BY_THE_SELLER, Forgery, follow
from tests.clients.sources import FOLDER, client_module
from tests.shared_world import shared_world

verifier = client_module("verify_invoice")
SECOND = 1  # the invoice of February: usage, a change of plan, a single item


@pytest.fixture(scope="module")
def evidence(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Evidence]:
    yield from shared_world(django_db_blocker, make_evidence)


@pytest.fixture
def keys(evidence: Evidence, tmp_path: Path) -> str:
    path = tmp_path / "keys.json"
    path.write_bytes(evidence.keys)
    return str(path)


def written(tmp_path: Path, *bundles: bytes) -> list[str]:
    paths = [tmp_path / f"{number}.json" for number in range(len(bundles))]
    for path, bundle in zip(paths, bundles, strict=True):
        path.write_bytes(bundle)
    return [str(path) for path in paths]


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = verifier.main(arguments)
    return status, capsys.readouterr().out


def test_it_runs_alone_outside_of_the_checkout_without_a_network(evidence: Evidence, tmp_path: Path) -> None:
    program = tmp_path / "verify_invoice.py"
    program.write_bytes((FOLDER / "verify_invoice.py").read_bytes())
    no_network = (
        "import runpy, socket, sys; socket.socket = socket.create_connection = None; sys.argv = sys.argv[1:];"
        " runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", no_network, str(program), *written(tmp_path, evidence.full[SECOND])],
        cwd=tmp_path, env={}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^proved: 12 lines, 30 events, EUR 252.97$", done.stdout, re.MULTILINE), done.stdout
    assert "that no event was left out" in done.stdout


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("shown", ["full", "hashes"])
def test_true_evidence_is_proved(
    evidence: Evidence, keys: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int, shown: str
) -> None:
    [path] = written(tmp_path, getattr(evidence, shown)[number])
    status, said = run(path, "--keys", keys, capsys=capsys)
    assert status == 0, said
    assert ("events come to" in said) == (shown == "hashes" and number > 0)


def test_two_invoices_show_one_history(
    evidence: Evidence, keys: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [alone] = written(tmp_path, evidence.full[2])
    assert "that INV-2026-000002 and its corrections came to" in run(alone, "--keys", keys, capsys=capsys)[1]
    status, said = run(*written(tmp_path, *evidence.full), "--keys", keys, capsys=capsys)
    assert status == 0, said
    assert "proved: one history, and no event charged twice" in said
    assert "and its corrections came to" not in said, "the invoice that is corrected is there"


@pytest.mark.parametrize("forgery", [*BY_STRANGERS, *BY_THE_SELLER], ids=lambda forgery: forgery.name)
def test_each_forgery_is_found_and_named(
    evidence: Evidence, keys: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], forgery: Forgery
) -> None:
    bundle = json.loads(evidence.full[SECOND])
    forgery.change(bundle)
    if forgery.is_signed:
        if forgery.name not in AFTER_SUMS:
            follow(bundle)
        else:
            bundle["head"]["document_digest"] = verifier.digest_of(bundle["head"]["document"])
        bundle = evidence.signed_again(bundle)
    status, said = run(*written(tmp_path, json.dumps(bundle).encode()), "--keys", keys, capsys=capsys)
    assert status == 1, said
    assert forgery.says in said
    assert not forgery.is_signed or "head: the signature" not in said


def test_two_histories_of_one_day_are_found(
    evidence: Evidence, keys: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = json.loads(evidence.full[2])
    bundle["days"] = bundle["days"][:1]
    evidence.sign_another_history(bundle["days"][0])
    bundle["events"].clear()
    other = json.dumps(bundle).encode()
    status, said = run(*written(tmp_path, evidence.full[SECOND], other), "--keys", keys, capsys=capsys)
    assert status == 1
    assert f"they show two signed histories of {bundle['days'][0]['day']}" in said


def test_an_event_of_two_invoices_is_found(
    evidence: Evidence, keys: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = json.loads(evidence.full[SECOND])
    bundle["head"]["document"]["number"] = bundle["head"]["invoice"] = "INV-2026-000099"
    follow(bundle)
    again = json.dumps(evidence.signed_again(bundle)).encode()
    status, said = run(*written(tmp_path, evidence.full[SECOND], again), "--keys", keys, capsys=capsys)
    assert status == 1
    assert "both charge 8 events of calls" in said


def test_what_is_not_signed_yet_is_missing_and_not_wrong(
    evidence: Evidence, keys: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = json.loads(evidence.full[SECOND])
    days = {day["day"] for day in bundle["days"][17:]}
    bundle["days"] = bundle["days"][:17]
    for event in [event for event in bundle["events"] if event["day"] in days]:
        event["unsigned"] = event.pop("day")
        del event["index"], event["path"]
    status, said = run(*written(tmp_path, json.dumps(bundle).encode()), "--keys", keys, capsys=capsys)
    assert status == 2, said
    assert re.search(r"[0-9]+ events that were received on 2026-02-2[0-9]: that day is not signed yet", said)
    assert "contradiction" not in said


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"{",
    "another format": b'{"format": "countinghouse evidence v2"}',
    "nothing but the format": b'{"format": "countinghouse evidence v1"}',
    "a name twice": b'{"format": "countinghouse evidence v1", "format": "countinghouse evidence v1"}',
    "a fraction": b'{"format": "countinghouse evidence v1", "head": 1.5}',
    "not a number": b'{"format": "countinghouse evidence v1", "head": NaN}',
    "beyond ASCII": '{"format": "countinghouse evidence v1", "head": "ä"}'.encode(),
    "a list": b"[]",
    "too deep": b"[" * 100_000,
    "wrong kinds": b'{"format": "countinghouse evidence v1", "head": [], "keys": {}, "days": 1, "events": 2}',
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_evidence_is_neither_proved_nor_a_traceback(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = run(*written(tmp_path, content), capsys=capsys)
    assert status == 2
    assert "proved:" not in said.replace("not proved:", "")


def test_files_that_are_not_there_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path / "none.json"), capsys=capsys)[0] == 2
    status, said = run(str(tmp_path / "none.json"), "--keys", str(tmp_path / "no-keys.json"), capsys=capsys)
    assert (status, "no-keys.json" in said) == (2, True)


def test_a_key_may_be_named_by_its_id(evidence: Evidence, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [path] = written(tmp_path, evidence.full[SECOND])
    first = json.loads(evidence.full[SECOND])["keys"][0]["id"]
    assert run(path, "--key", first, capsys=capsys)[0] == 0, "the second key is endorsed by the first"
    status, said = run(path, "--key", "0123456789abcdef", capsys=capsys)
    assert status == 1
    assert "neither a key that you trust nor endorsed by one" in said
