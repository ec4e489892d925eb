"""The audit log as CSV: what the filter finds, of one tenant, and nothing that a spreadsheet would run."""

import csv
import json

from django.test import Client

from accounts.models import Tenant
from accounts.services.audit import AuditTarget, record_audit
from portal.views.audit import COLUMNS
from tests.billing.world import STAFF
from tests.portal.conftest import NOW, Cast, signed_in


def note(tenant: Tenant, action: str, label: str = "a") -> None:
    target = AuditTarget("api_key", "1", label)
    record_audit(
        actor=STAFF, action=action, tenant_id=tenant.pk, target=target, before={"n": 1}, after={"n": label}, as_of=NOW
    )


def rows(client: Client, query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"/t/acme/audit.csv{query}")
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == 'attachment; filename="acme-audit-2026-03-10.csv"'
    return list(csv.DictReader(b"".join(answer).decode().splitlines()))  # type: ignore[arg-type]


def test_the_file_has_what_the_filter_finds_with_every_value(cast: Cast, alice: Client) -> None:
    note(cast.acme, "api_key.created", "=cmd|' /C calc'!A0")
    note(cast.acme, "api_key.revoked")
    note(cast.rival, "api_key.created", "theirs")

    found = rows(alice)
    [created] = rows(alice, "?action=api_key.created")

    assert [row["action"] for row in found] == ["api_key.revoked", "api_key.created"]
    assert list(created) == list(COLUMNS)
    assert created["occurred_at"] == "2026-03-10T12:30:00Z"
    assert created["target"] == "'=cmd|' /C calc'!A0"
    assert json.loads(created["before"]) == {"n": 1}
    assert json.loads(created["after"]) == {"n": "=cmd|' /C calc'!A0"}
    assert "theirs" not in str(found)


def test_only_those_who_read_the_log_get_the_file(cast: Cast) -> None:
    assert signed_in(cast.vera).get("/t/acme/audit.csv").status_code == 403
    assert signed_in(cast.charlie).get("/t/acme/audit.csv").status_code == 404
