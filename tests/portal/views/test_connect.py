"""*Connect your API*: the tenant's own address and key, and the clients to copy."""

from django.conf import settings
from django.test import Client

from accounts.domain.api_key import KeyKind
from portal.views.connect import CLIENT_FILES
from tests.clients.sources import FOLDER
from tests.metering.ledger_world import make_key
from tests.portal.conftest import NOW, Cast, signed_in


def test_the_page_has_the_tenants_address_and_the_beginning_of_a_key_that_may_send(cast: Cast, alice: Client) -> None:
    make_key(cast.acme, scopes=["usage:read"], digest=b"1" * 32)
    make_key(cast.acme, scopes=["events:write"], digest=b"2" * 32, revoked_at=NOW)
    key, secret = make_key(cast.acme, kind=KeyKind.TEST, scopes=["events:write"], name="Staging")
    page = alice.get("/t/acme/connect/").content.decode()
    assert f"export COUNTINGHOUSE_URL={settings.PUBLIC_URL}" in page
    assert f"export COUNTINGHOUSE_API_KEY={key.prefix}…" in page
    assert secret not in page
    assert "“Staging”" in page
    assert "--tenant acme" in page
    assert page.count('role="tab"') == 9
    assert "Create a key" in page


def test_without_a_key_the_page_says_so(cast: Cast) -> None:
    page = signed_in(cast.vera).get("/t/acme/connect/").content.decode()
    assert "You have no usable key that may send events." in page
    assert "ch_live_YOUR_KEY" in page
    assert "Create a key" not in page  # a viewer may not


def test_a_client_is_downloaded_as_it_is_in_the_documentation(client: Client) -> None:
    assert sorted(CLIENT_FILES) == [
        "countinghouse.mjs", "countinghouse.py", "countinghouse_otlp.py", "countinghouse_web.py",
        "verify_invoice.py",
    ]  # fmt: skip
    for name, media_type in (("countinghouse.py", "text/x-python"), ("countinghouse.mjs", "text/javascript")):
        answer = client.get(f"/clients/{name}")
        assert answer.content == (FOLDER / name).read_bytes()
        assert answer["Content-Type"] == f"{media_type}; charset=utf-8"
        assert "max-age=300" in answer["Cache-Control"]
    for name in ("README.md", "..%2Fconnect.md", "settings.py"):
        assert client.get(f"/clients/{name}").status_code == 404
