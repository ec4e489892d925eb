"""`POST /leaked-keys` from outside: only the scanner is heard, and a leaked key is refused with its reason."""

import hashlib
import logging

import pytest
from django.core.cache import cache
from pytest_django import Settings

from accounts.domain.api_key import KeyKind, generate_key
from accounts.domain.masking import find_secrets
from accounts.keys.api.leaked_keys import ReportThrottle
from accounts.keys.domain.leaks import pinned_keys
from accounts.keys.services.api_keys import CreatedKey
from accounts.models import ApiKey, KeyLeak
from tests.accounts.conftest import Api, body_of, problem_of
from tests.accounts.keys.scanner import IDENTIFIER, encoded_key, found, report

pytestmark = pytest.mark.usefixtures("clean_cache")


@pytest.fixture(autouse=True)
def scanner(settings: Settings) -> None:
    settings.LEAK_SCANNER_KEYS = pinned_keys([f"{IDENTIFIER}={encoded_key()}"])
    settings.LEAK_SCANNER_KEYS_URL = ""


def test_a_leaked_key_is_labelled_and_refused_from_then_on(
    api: Api, acme_key: CreatedKey, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert api.get("/keys").status_code == 200
    stranger = generate_key(KeyKind.TEST)
    response = report([found(acme_key.secret), found(stranger)])
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert body_of(response) == [
        {
            "token_hash": hashlib.sha256(token.encode()).hexdigest(),
            "token_type": "countinghouse_api_key",
            "label": label,
        }
        for token, label in ((acme_key.secret, "true_positive"), (stranger, "false_positive"))
    ]
    refused = api.get("/keys")
    problem = problem_of(refused, 401)
    assert problem["code"] == "key_quarantined"
    assert 'error="invalid_token"' in refused["WWW-Authenticate"]
    assert not list(find_secrets(caplog.text + response.content.decode() + refused.content.decode()))


def test_the_quarantine_shows_in_the_list_of_keys(api: Api, acme_key: CreatedKey, make_key: object) -> None:
    other = body_of(api.post("/keys", {"name": "Leaked", "scopes": ["usage:read"]}))
    assert other["quarantined_at"] is None
    report([found(other["secret"])])
    listed = {key["id"]: key["quarantined_at"] for key in body_of(api.get("/keys"))["data"]}
    assert listed[str(acme_key.key.pk)] is None
    assert listed[other["id"]] is not None


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"signature": "AAAA"}, 401, "invalid_scanner_signature"),
        ({"signature": ""}, 401, "invalid_scanner_signature"),
        ({"identifier": ""}, 401, "invalid_scanner_signature"),
        ({"identifier": "another"}, 401, "invalid_scanner_signature"),
        ({"raw": b"{}"}, 400, "malformed_body"),
        ({"raw": b"no json"}, 400, "malformed_body"),
        ({"raw": b'[{"token": "a\\u0000"}]'}, 400, "malformed_body"),
        ({"raw": b"[" * 100_000}, 400, "malformed_body"),
        ({"raw": b" " * 1_048_577}, 413, "body_too_large"),
    ],
)
def test_what_the_scanner_did_not_sign_or_cannot_mean_changes_nothing(
    acme_key: CreatedKey, change: dict[str, object], status: int, code: str
) -> None:
    problem = problem_of(report([found(acme_key.secret)], **change), status)
    assert problem["code"] == code
    assert not KeyLeak.objects.exists()
    assert ApiKey.objects.get(pk=acme_key.key.pk).quarantined_at is None


def test_without_a_scanner_there_is_no_such_call(settings: Settings, acme_key: CreatedKey) -> None:
    settings.LEAK_SCANNER_KEYS = {}
    problem_of(report([found(acme_key.secret)]), 404)


def test_a_flood_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReportThrottle, "rate", "2/min")
    cache.clear()
    statuses = [report([], signature="AAAA").status_code for _ in range(3)]
    assert statuses == [401, 401, 429]
    assert int(report([])["Retry-After"]) > 0
