"""A key's secret and an invitation's token are in the answer and in the mail, and nowhere that we keep."""

import logging
import re
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from accounts.domain.roles import Role
from accounts.models import Tenant, User
from accounts.services.members import invite_member
from tests.accounts.conftest import Api, body_of, member


def every_row() -> str:
    """All that a dump of the database would hold, as text; bytes as the characters that they spell."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        tables = [name for (name,) in cursor.fetchall()]
        texts = []
        for table in tables:
            cursor.execute(f'SELECT row_to_json(r)::text FROM "{table}" r')
            texts += [text for (text,) in cursor.fetchall()]
    return "\n".join(text + decoded(text) for text in texts)


def decoded(text: str) -> str:
    """The bytea columns of a row, which JSON shows in hexadecimal."""
    return "".join(bytes.fromhex(digits).decode("latin-1") for digits in re.findall(r"\\\\x((?:[0-9a-f]{2})+)", text))


def test_the_search_finds_what_is_there(acme: Tenant) -> None:
    """Control: a text column and a bytes column give up what they hold."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_idempotencyrecord"
            " (scope_id, key, request_digest, status, body, is_sealed, created_at, expires_at)"
            " VALUES (gen_random_uuid(), 'needle-1', 'x', 201, 'needle-2', false, now(), now())"
        )
    assert {"needle-1", "needle-2"} <= set(re.findall(r"needle-\d", every_row()))


def test_no_table_and_no_log_line_holds_a_secret(
    api: Api, acme: Tenant, alice: User, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    made = body_of(api.post("/keys", {"name": "New", "scopes": ["keys:manage"]}, headers={"Idempotency-Key": "once"}))
    rotated = body_of(
        api.post(f"/keys/{made['id']}/rotate", {"grace_seconds": 60}, headers={"Idempotency-Key": "twice"})
    )
    api.get(f"/keys?api_key={made['secret']}")
    api.get("/keys", headers={"Authorization": f"Bearer {made['secret']}x"})
    with django_capture_on_commit_callbacks(execute=True):
        invite_member(
            tenant=acme, email="newt@example.com", role=Role.VIEWER, actor=member(alice), as_of=acme.created_at
        )
    token = re.findall(r"/invitations/([\w-]+)/", str(mail.outbox[0].body))[0]
    api.client.get(f"/invitations/{token}/")
    kept = every_row() + caplog.text
    assert made["prefix"] in kept
    for secret in (api.secret, made["secret"], rotated["secret"], token):
        assert secret not in kept
        assert secret[12:] not in kept
