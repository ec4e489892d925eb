"""Keys: shown once, listed without the secret, rotated with grace, revoked after a confirmation."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind, digest_of
from accounts.keys.domain.leaks import ReportedToken
from accounts.keys.services.leaks import report_leaked_keys
from accounts.models import ApiKey, AuditEntry, KeyAddress, KeyRefusal
from tests.metering.ledger_world import ledger_of, make_key, send
from tests.portal.conftest import NOW, Cast, signed_in

SECRET = re.compile(r"ch_(?:live|test)_[0-9A-Za-z]{38}")
NEW_KEY = {"name": "Gateway", "kind": "live", "scopes": ["events:write"]}


def test_a_new_key_is_shown_once_and_only_its_digest_is_kept(cast: Cast, alice: Client) -> None:
    created = alice.post("/t/acme/keys/new/", NEW_KEY)

    secret = SECRET.findall(created.content.decode())[0]
    key = ApiKey.objects.get(tenant=cast.acme)
    assert created.status_code == 201
    assert bytes(key.digest) == digest_of(secret)
    assert f"Authorization: Bearer {secret}" in created.content.decode()
    for url in ("/t/acme/keys/", f"/t/acme/keys/{key.pk}/", "/t/acme/audit/", "/t/acme/first-steps/"):
        assert secret not in alice.get(url).content.decode()


def test_a_key_gets_every_limit_that_was_entered(cast: Cast, alice: Client) -> None:
    limits = {
        "expires_at": "2026-04-01T00:00",
        "allowed_cidrs": "203.0.113.0/24\n2001:db8::/32",
        "throttle_rate": "10",
        "quota": "1000.5",
    }

    assert alice.post("/t/acme/keys/new/", NEW_KEY | limits).status_code == 201

    key = ApiKey.objects.get(tenant=cast.acme)
    assert key.allowed_cidrs == ["203.0.113.0/24", "2001:db8::/32"]
    assert (key.throttle_rate, key.throttle_burst) == (10, 10)
    assert str(key.quota) == "1000.500000000"
    assert key.expires_at is not None
    assert key.expires_at.isoformat() == "2026-03-31T22:00:00+00:00"  # midnight in Paris


@pytest.mark.parametrize(
    ("field", "value", "explanation"),
    [
        ("name", "", "This field is required."),
        ("scopes", "operator", "Select a valid choice."),
        ("scopes", "", "Select a valid choice."),
        ("kind", "service", "Select a valid choice."),
        ("expires_at", "2026-03-10T13:29", "Choose a time in the future."),
        ("allowed_cidrs", "10.0.0.0/8\n300.0.0.1", "“300.0.0.1” is not an address"),
        ("allowed_cidrs", "\n".join(["10.0.0.0/8"] * 51), "At most 50 networks."),
        ("throttle_burst", "5", "Enter requests a second as well."),
        ("throttle_rate", "0", "greater than or equal to 1"),
        ("quota", "-1", "greater than or equal to 0"),
        ("quota", "900000000000", "no more than 11 digits"),
        ("name", "a\u202eb", "name"),
    ],
)
def test_a_refused_key_is_explained_beside_its_field(
    field: str, value: str, explanation: str, cast: Cast, alice: Client
) -> None:
    answer = alice.post("/t/acme/keys/new/", NEW_KEY | {field: value})

    assert answer.status_code == 422
    assert explanation in answer.content.decode()
    assert answer.context["form"].errors.keys() == {"throttle_rate" if value == "5" else field}
    assert not ApiKey.objects.exists()


def test_a_rotated_key_works_until_its_grace_ends(cast: Cast, alice: Client) -> None:
    old, _ = make_key(cast.acme, scopes=["events:write"])

    rotated = alice.post(f"/t/acme/keys/{old.pk}/rotate/", {"grace_seconds": "3600"})

    old.refresh_from_db()
    new = ApiKey.objects.get(rotated_from=old)
    assert rotated.status_code == 201
    assert len(set(SECRET.findall(rotated.content.decode()))) == 1
    assert old.expires_at == NOW + timedelta(hours=1)
    assert new.scopes == old.scopes
    assert "works until 10 Mar 2026, 14:30" in rotated.content.decode()  # Paris


def test_a_key_is_rotated_once(cast: Cast, alice: Client) -> None:
    old, _ = make_key(cast.acme, scopes=["events:write"])
    url = f"/t/acme/keys/{old.pk}/rotate/"
    alice.post(url, {"grace_seconds": "3600"})

    again = alice.post(url, {"grace_seconds": "3600"})

    assert again.status_code == 422
    assert "already rotated" in again.content.decode()


def test_revoking_a_key_needs_a_confirmation(cast: Cast, alice: Client) -> None:
    key, _ = make_key(cast.acme)
    url = f"/t/acme/keys/{key.pk}/revoke/"

    question = alice.get(url)
    key.refresh_from_db()
    assert "Revoke test?" in question.content.decode()
    assert key.revoked_at is None

    answer = alice.post(url, follow=True)
    key.refresh_from_db()
    assert key.revoked_at == NOW
    assert "is revoked" in answer.content.decode()
    assert AuditEntry.objects.get(action="api_key.revoked").actor_user == cast.alice


def test_the_confirmation_is_a_fragment_for_htmx_and_a_page_for_others(cast: Cast, alice: Client) -> None:
    key, _ = make_key(cast.acme)
    url = f"/t/acme/keys/{key.pk}/revoke/"

    assert b"<html" in alice.get(url).content
    fragment = alice.get(url, headers={"HX-Request": "true"}).content
    assert b"<html" not in fragment
    assert f'action="{url}"'.encode() in fragment


def test_keys_are_filtered_by_name_prefix_state_and_kind(cast: Cast, alice: Client) -> None:
    make_key(cast.acme, name="Gateway")
    make_key(cast.acme, name="Old", revoked_at=NOW)
    make_key(cast.acme, name="Expired", expires_at=NOW)
    make_key(cast.rival, name="Gateway of a rival")

    def names(query: str) -> list[str]:
        return sorted(row.key.name for row in alice.get(f"/t/acme/keys/?{query}").context["rows"])

    assert names("") == ["Expired", "Gateway", "Old"]
    assert names("search=gate") == ["Gateway"]
    assert names("state=usable") == ["Gateway"]
    assert names("state=ended") == ["Expired", "Old"]
    assert names("kind=test") == []
    assert names("state=nonsense") == ["Expired", "Gateway", "Old"]
    assert "No matching keys" in alice.get("/t/acme/keys/?search=zzz").content.decode()


def test_the_list_is_paged_and_takes_as_many_queries_for_many_keys_as_for_one(
    cast: Cast, alice: Client, query_count: Callable[[Client, str], int]
) -> None:
    make_key(cast.acme, created_by=cast.alice)
    for_one = query_count(alice, "/t/acme/keys/")
    for _ in range(30):
        make_key(cast.acme, created_by=cast.alice)

    assert query_count(alice, "/t/acme/keys/") == for_one
    assert len(alice.get("/t/acme/keys/").context["rows"]) == 25
    assert len(alice.get("/t/acme/keys/?page=2").context["rows"]) == 6


def test_the_list_shows_each_keys_last_days_its_refusals_and_its_last_address(
    cast: Cast, alice: Client, query_count: Callable[[Client, str], int]
) -> None:
    busy, _ = make_key(cast.acme, name="Busy", last_used_at=NOW)
    test_key, _ = make_key(cast.acme, name="Test", kind=KeyKind.TEST)
    make_key(cast.acme, name="Idle")
    before = query_count(alice, "/t/acme/keys/")
    days_ago = {"now": 0, "old": 29, "older": 30}
    events = [
        {"id": name, "type": "http_request", "timestamp": (NOW - timedelta(days=days)).isoformat()}
        for name, days in days_ago.items()
    ]
    send(ledger_of(cast.acme), events, as_of=NOW, api_key_id=busy.pk)
    send(ledger_of(cast.acme, is_live=False), events[:1], as_of=NOW, api_key_id=test_key.pk)
    for minutes, address in enumerate(("192.0.2.1", "192.0.2.2")):
        seen = {"address": address, "first_used_at": NOW, "last_used_at": NOW + timedelta(minutes=minutes)}
        KeyAddress.objects.create(api_key=busy, tenant=cast.acme, **seen)
    for days, requests in ((0, 1000), (30, 234), (31, 5000)):
        day = (NOW - timedelta(days=days)).date()
        KeyRefusal.objects.create(
            api_key=busy, tenant=cast.acme, day=day, code="throttled", requests=requests, last_at=NOW
        )

    page = alice.get("/t/acme/keys/")

    glances = {row.key.name: row.glance for row in page.context["rows"]}
    assert (glances["Busy"].total, glances["Busy"].refused, glances["Busy"].address) == (2, 1234, "192.0.2.2")
    assert glances["Busy"].bars == ((0, 0, 24), (116, 0, 24))
    assert (glances["Test"].total, glances["Idle"].total, glances["Idle"].bars) == (1, 0, ())
    assert "192.0.2.2" in page.content.decode()
    assert query_count(alice, "/t/acme/keys/") == before


def test_a_viewer_sees_keys_and_no_button_that_changes_them(cast: Cast) -> None:
    key, _ = make_key(cast.acme)
    page = signed_in(cast.vera).get("/t/acme/keys/").content.decode()

    assert str(key.pk) in page
    assert "/rotate/" not in page
    assert "/revoke/" not in page
    assert "/keys/new/" not in page


def test_a_leaked_key_is_shown_as_refused_and_released_by_an_owner_who_signed_in_again(
    cast: Cast, alice: Client
) -> None:
    key, secret = make_key(cast.acme, scopes=["usage:read"])
    with time_machine.travel(NOW, tick=False):
        report_leaked_keys(
            tokens=[ReportedToken(secret, "key", "https://pastebin.com/raw/1", "paste")],
            scanner="s",
            actor=Actor.system(),
            as_of=NOW,
        )
    page, release = f"/t/acme/keys/{key.pk}/", f"/t/acme/keys/{key.pk}/release/"
    shown = alice.get(page).content.decode()
    assert "This key was found in public" in shown
    assert "https://pastebin.com/raw/1" in shown
    assert "Quarantined" in alice.get("/t/acme/keys/?state=quarantined").content.decode()
    assert "Quarantined</span>" not in alice.get("/t/acme/keys/?state=usable").content.decode()
    developer = signed_in(cast.dora)
    assert "an owner or admin can release it" in developer.get(page).content.decode()
    assert developer.post(release).status_code == 403

    assert "Whoever has read" in alice.get(release).content.decode()
    assert alice.post(release).status_code == 302
    assert ApiKey.objects.get(pk=key.pk).quarantined_at is None
    assert "is not quarantined" in alice.post(release, follow=True).content.decode()


def test_a_keys_page_shows_its_requests_its_refusals_and_its_addresses(
    cast: Cast, alice: Client, query_count: Callable[[Client, str], int]
) -> None:
    key, _ = make_key(cast.acme, scopes=["usage:read"])
    page = f"/t/acme/keys/{key.pk}/"
    idle = alice.get(page).content.decode()
    assert "No usage in the last 30 days." in idle
    assert "No request with this key was refused." in idle
    before = query_count(alice, page)
    send(
        ledger_of(cast.acme), [{"id": f"e{n}", "type": "http_request"} for n in range(3)], as_of=NOW, api_key_id=key.pk
    )
    for number in range(25):
        address = {"address": f"192.0.2.{number}", "first_used_at": NOW, "last_used_at": NOW}
        KeyAddress.objects.create(api_key=key, tenant=cast.acme, **address)
    KeyRefusal.objects.create(
        api_key=key, tenant=cast.acme, day=NOW.date(), code="throttled", requests=1234, last_at=NOW
    )
    shown = alice.get(page).content.decode()
    assert 'id="key-chart"' in shown
    assert "3 requests" in shown
    assert 'href="/docs/errors#throttled"' in shown
    assert "1,234" in shown
    assert shown.count("192.0.2.") == 20
    assert query_count(alice, page) == before


def test_keys_are_labelled_and_found_by_their_labels(cast: Cast, alice: Client) -> None:
    labels = {"environment": "Production", "tags": "eu, team-7"}
    assert alice.post("/t/acme/keys/new/", NEW_KEY | labels).status_code == 201
    key = ApiKey.objects.get(tenant=cast.acme)
    assert (key.environment, key.tags) == ("production", ["eu", "team-7"])
    make_key(cast.acme, name="Elsewhere", digest=b"2" * 32)
    for query, is_found in (("environment=production", True), ("tag=eu", True), ("tag=eu&kind=test", False)):
        listed = alice.get(f"/t/acme/keys/?{query}").content.decode()
        assert ("Gateway" in listed) == is_found
        assert "Elsewhere" not in listed
    page = f"/t/acme/keys/{key.pk}/labels/"
    assert 'value="eu, team-7"' in alice.get(page).content.decode()
    refused = alice.post(page, {"environment": "two words", "tags": ""})
    assert refused.status_code == 422
    assert alice.post(page, {"environment": "", "tags": "us"}).status_code == 302
    key.refresh_from_db()
    assert (key.environment, key.tags) == ("", ["us"])
    assert signed_in(cast.vera).post(page, {"tags": "x"}).status_code == 403
