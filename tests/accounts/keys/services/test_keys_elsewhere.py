"""A change of a key reaches every other process within a second. The tests run real processes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.domain.identifiers import uuid7
from accounts.keys.domain.leaks import ReportedToken
from accounts.keys.services.api_keys import CreatedKey, revoke_api_key, rotate_api_key
from accounts.keys.services.leaks import release_api_key, report_leaked_keys
from accounts.models import ApiKey, Tenant
from accounts.services.tenants import suspend_tenant
from tests.accounts.conftest import SYSTEM, KeyMaker

REPOSITORY = Path(__file__).resolve().parents[4]
EFFECTIVE_WITHIN_SECONDS = 1.0
pytestmark = pytest.mark.django_db(transaction=True)

# Checks the key over and over, as a busy web process does, and prints each change of the result, and when it came.
WATCH = """
import django; django.setup()
import sys, time
from django.utils import timezone
from accounts.domain.reach import WayIn, let_process_reach
from accounts.selectors.api_keys import find_principal
let_process_reach(WayIn.SIGN_IN)
before = None
while True:
    principal = find_principal(sys.argv[1], timezone.now())
    state = "refused" if principal is None else "active" if principal.tenant.is_active else "suspended"
    if principal is not None and principal.is_quarantined:
        state = "quarantined"
    if state != before:
        print(state, time.time(), flush=True)
        before = state
    time.sleep(0.002)
"""


@pytest.fixture
def key(make_key: KeyMaker, now: datetime) -> CreatedKey:
    return make_key(Tenant.objects.create(id=uuid7(now), slug="acme", name="Acme", created_at=now))


@pytest.fixture
def watchers(key: CreatedKey, process_environment: dict[str, str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Start two processes that have the key in their memory."""
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WATCH, key.secret],
            env={**process_environment, "DJANGO_SETTINGS_MODULE": "config.settings"},
            cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert {next_state(process)[0] for process in started} == {"active"}
    yield started
    for process in started:
        process.terminate()
        process.communicate(timeout=120)


def next_state(process: subprocess.Popen[str]) -> tuple[str, float]:
    assert process.stdout is not None
    state, at = process.stdout.readline().split()
    return state, float(at)


@pytest.mark.takes_long("it waits for what other processes notice")
def test_a_rotation_a_leak_a_suspension_and_a_revocation_are_effective_within_a_second(
    watchers: list[subprocess.Popen[str]], key: CreatedKey
) -> None:
    tenant = key.key.tenant
    assert tenant is not None
    rotate_api_key(key=key.key, grace=timedelta(0), actor=SYSTEM, as_of=timezone.now())
    await_everywhere("refused", watchers)
    # Undo the suspension past the services, since no service restores a key. Then suspend the tenant, and revoke the
    # key.
    ApiKey.objects.filter(pk=key.key.pk).update(expires_at=None)
    await_everywhere("active", watchers)
    place = ReportedToken(key.secret, "key", "https://pastebin.com/raw/1", "paste")
    report_leaked_keys(tokens=[place], scanner="s", actor=SYSTEM, as_of=timezone.now())
    await_everywhere("quarantined", watchers)
    release_api_key(key=key.key, actor=SYSTEM, as_of=timezone.now())
    await_everywhere("active", watchers)
    suspend_tenant(tenant=tenant, reason="", actor=SYSTEM, as_of=timezone.now())
    await_everywhere("suspended", watchers)
    revoke_api_key(key=key.key, actor=SYSTEM, as_of=timezone.now())
    await_everywhere("refused", watchers)


def await_everywhere(expected: str, watchers: list[subprocess.Popen[str]]) -> None:
    committed = time.time()
    for process in watchers:
        state, at = next_state(process)
        assert state == expected
        assert at - committed < EFFECTIVE_WITHIN_SECONDS
