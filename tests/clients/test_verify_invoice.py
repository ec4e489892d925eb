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
    status, said = run(*written(tmp_path, *evidence.full[1:]), "--keys", keys, capsys=capsys)
    assert status == 0, said
    assert "proved: one history, and no event charged twice" in said


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
