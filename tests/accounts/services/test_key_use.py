"""What is noted of a key's use: in memory for each request, in the database once a minute, never lost by a failure."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import SynchronousOnlyOperation
from django.db import IntegrityError, transaction

from accounts.keys.services.api_keys import CreatedKey
from accounts.models import KeyAddress, KeyRefusal, Tenant
from accounts.services import key_use
from accounts.services.key_use import note_key_use, note_refusal, write_key_use
from tests.accounts.conftest import Api, KeyMaker

NOW = datetime(2026, 11, 21, 23, 59, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    key_use._waiting.take()
    yield
    key_use._waiting.take()


def addresses(key: CreatedKey) -> dict[str, tuple[datetime, datetime]]:
    rows = KeyAddress.objects.filter(api_key=key.key, tenant=key.key.tenant)
    return {row.address: (row.first_used_at, row.last_used_at) for row in rows}


def test_addresses_are_written_with_the_last_use_once_a_minute(
    acme_key: CreatedKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    send = key_use.fetch_all

    def count_and_send(statement: str, parameters: Any) -> object:
        written.append(parameters)
        return send(statement, parameters)

    monkeypatch.setattr(key_use, "fetch_all", count_and_send)
    uses = [(0, "192.0.2.1"), (10, "192.0.2.2"), (20, "2001:db8::1"), (30, "192.0.2.1"), (59, ""), (60, "192.0.2.1")]
    for seconds, address in uses:
        note_key_use(key_id=acme_key.key.pk, address=address, as_of=NOW + timedelta(seconds=seconds))
    assert len(written) == 2
    first = {address: NOW + timedelta(seconds=seconds) for seconds, address in reversed(uses) if address}
    last = {address: NOW + timedelta(seconds=seconds) for seconds, address in uses if address}
    assert addresses(acme_key) == {address: (first[address], last[address]) for address in last}
    acme_key.key.refresh_from_db()
    assert acme_key.key.last_used_at == NOW + timedelta(seconds=60)


def test_of_two_requests_at_once_the_older_may_be_noted_last(acme_key: CreatedKey) -> None:
    later, earlier = NOW + timedelta(microseconds=5), NOW
    key_use._waiting.add_address(acme_key.key.pk, "192.0.2.1", later)
    key_use._waiting.add_address(acme_key.key.pk, "192.0.2.1", earlier)
    write_key_use(as_of=later)
    assert addresses(acme_key) == {"192.0.2.1": (earlier, later)}


def test_refusals_are_counted_by_day_and_reason(acme_key: CreatedKey) -> None:
    key_id = acme_key.key.pk
    for seconds in (0, 1, 2, 40, 41):
        note_refusal(key_id=key_id, code="throttled", as_of=NOW + timedelta(seconds=seconds))
        if seconds == 1:
            write_key_use(as_of=NOW)
    note_refusal(key_id=key_id, code="scope_missing", as_of=NOW)
    write_key_use(as_of=NOW)
    write_key_use(as_of=NOW)
    counted = {(f"{row.day:%d}", row.code): row.requests for row in KeyRefusal.objects.all()}
    assert counted == {("21", "throttled"): 3, ("22", "throttled"): 2, ("21", "scope_missing"): 1}


def test_a_key_keeps_the_addresses_that_were_used_last(acme_key: CreatedKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_use, "ADDRESSES_MAX", 3)
    for number in range(8):
        at = NOW + timedelta(minutes=2 * number)
        note_key_use(key_id=acme_key.key.pk, address=f"192.0.2.{number}", as_of=at)
    assert set(addresses(acme_key)) == {f"192.0.2.{number}" for number in (4, 5, 6, 7)}  # and the newest


def test_what_waits_is_bounded_and_a_deleted_key_writes_nothing(
    acme: Tenant, make_key: KeyMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_use, "WAITING_MAX", 2)
    key = make_key(acme)
    for number in range(5):
        key_use._waiting.add_address(key.key.pk, f"192.0.2.{number}", NOW)
        note_refusal(key_id=key.key.pk, code=f"code_{number}", as_of=NOW)
    taken = key_use._waiting.take()
    assert [len(part) for part in taken] == [2, 2]
    key_use._waiting.give_back(*taken)
    key.key.delete()
    write_key_use(as_of=NOW)
    assert not KeyAddress.objects.exists()
    assert not KeyRefusal.objects.exists()


def test_on_the_event_loop_nothing_is_written_and_nothing_is_lost(acme_key: CreatedKey) -> None:
    key_id = acme_key.key.pk
    note_refusal(key_id=key_id, code="throttled", as_of=NOW)

    async def use() -> None:
        note_key_use(key_id=key_id, address="192.0.2.1", as_of=NOW)

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(use())
    assert not addresses(acme_key)
    note_key_use(key_id=key_id, address="192.0.2.1", as_of=NOW + timedelta(seconds=1))
    assert addresses(acme_key) == {"192.0.2.1": (NOW, NOW + timedelta(seconds=1))}
    assert KeyRefusal.objects.get().requests == 1


def test_the_api_notes_where_a_key_is_used_and_why_it_is_refused(acme: Tenant, make_key: KeyMaker) -> None:
    key = make_key(acme, scopes=["usage:read"], allowed_cidrs=["127.0.0.0/8"])
    with time_machine.travel(NOW, tick=False):
        for _ in range(2):
            assert Api(key.secret).get("/keys").status_code == 403
        assert Api(key.secret).get("/keys", REMOTE_ADDR="192.0.2.9").status_code == 403
        write_key_use(as_of=NOW)
    assert list(addresses(key)) == ["127.0.0.1"]
    assert dict(KeyRefusal.objects.values_list("code", "requests")) == {"scope_missing": 2, "ip_not_allowed": 1}


def test_rows_of_use_are_once_and_in_order(acme_key: CreatedKey, acme: Tenant) -> None:
    row = {"api_key": acme_key.key, "tenant": acme}
    used = {"address": "192.0.2.1", "first_used_at": NOW, "last_used_at": NOW}
    KeyAddress.objects.create(**row, **used)
    refused = {"day": NOW.date(), "code": "throttled", "requests": 1, "last_at": NOW}
    KeyRefusal.objects.create(**row, **refused)
    for name, model, fields in (
        ("key_address_once", KeyAddress, used),
        ("key_address_first_before_last", KeyAddress, used | {"first_used_at": NOW + timedelta(seconds=1)}),
        ("key_refusal_once_a_day", KeyRefusal, refused),
    ):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            model.objects.create(**row, **fields)
