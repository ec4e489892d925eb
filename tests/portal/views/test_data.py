"""The pages on which an owner exports all data, or closes the tenant."""

from datetime import timedelta

from django.test import Client

from accounts.exports.models import TenantExport
from accounts.exports.services.making import make_exports
from tests.portal.conftest import NOW, Cast, signed_in


def test_an_owner_requests_an_export_and_sees_its_progress(cast: Cast, alice: Client) -> None:
    assert b"Close the account" in alice.get("/t/acme/settings/").content

    page = alice.post("/t/acme/settings/data/", follow=True).content.decode()
    assert "Your export is being prepared" in page
    assert 'hx-trigger="every 2s"' in page
    assert "It starts within a minute" in page
    TenantExport.objects.update(files_total=4)
    assert "0 of 4 files" in alice.get("/t/acme/settings/data/exports/").content.decode()

    make_exports(as_of=NOW + timedelta(seconds=1))
    fragment = alice.get("/t/acme/settings/data/exports/").content.decode()
    assert "Ready" in fragment
    assert "hx-get" not in fragment
    assert f"/t/acme/settings/data/{TenantExport.objects.get().pk}/" in fragment


def test_an_admin_sees_neither_exports_nor_closing(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    assert b"Close the account" not in bob.get("/t/acme/settings/").content
    for path in ("data/", "data/exports/", "close/"):
        assert bob.get(f"/t/acme/settings/{path}").status_code == 403


def test_an_owner_closes_by_typing_the_slug_and_still_gets_in(cast: Cast, alice: Client) -> None:
    page = alice.get("/t/acme/settings/close/").content.decode()
    assert "10 years" in page
    assert alice.post("/t/acme/settings/close/", {"slug": "rival"}).status_code == 422
    cast.acme.refresh_from_db()
    assert cast.acme.status == "active"

    closed = alice.post("/t/acme/settings/close/", {"slug": "acme"}, follow=True).content.decode()

    cast.acme.refresh_from_db()
    assert cast.acme.status == "closed"
    assert "Acme is closed." in closed
    assert alice.get("/t/acme/invoices/").status_code == 200
    assert alice.get("/t/acme/settings/close/").status_code == 302
    assert "being prepared" in alice.post("/t/acme/settings/data/", follow=True).content.decode()
