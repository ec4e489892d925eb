"""The documentation below `/docs/`: every call of the OpenAPI document, with the reader's own key, and no secret."""

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from accounts.webhooks.domain.event_types import EVENT_TYPES
from portal.api_reference import METHODS, OPERATORS_TAGS
from tests.metering.ledger_world import make_key
from tests.portal.conftest import Cast
from tests.portal.views.test_pricing import shown


@pytest.fixture(scope="module")
def operations() -> dict[str, tuple[str, str]]:
    """Return method and path of each customers' call, by its name, as the document says."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]  # as is what it calls
    document = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # as above
    return {
        operation["operationId"]: (method.upper(), path)
        for path, named in document["paths"].items()
        for method, operation in named.items()
        if method in METHODS and not OPERATORS_TAGS & set(operation["tags"])
    }


def test_every_call_of_the_document_has_a_page_with_programs(
    client: Client, db: None, operations: dict[str, tuple[str, str]]
) -> None:
    listing, index = shown(client.get("/docs/api/")), client.get("/llms.txt").content.decode()
    assert len(operations) > 40
    for name, (method, path) in operations.items():
        answer = client.get(f"/docs/api/{name}/")
        page = answer.content.decode()
        assert answer.status_code == 200
        assert page.count('role="tabpanel"') == 3, name
        assert f"{method} {path}" in listing
        assert f"[{method} {path}](" in index
    assert "/operator/" not in listing + index
    assert client.get("/docs/api/nothing/").status_code == 404


def test_a_call_says_what_it_takes_and_returns(client: Client, db: None) -> None:
    page = shown(client.get("/docs/api/create_api_key/"))

    assert "name Required body string" in page
    assert "Idempotency-Key header string" in page
    assert "The key lacks the scope" in page
    assert 'curl -i -X POST "' in page
    assert "ch_live_YOUR_KEY" in page


def test_a_reader_who_is_signed_in_finds_the_beginning_of_a_key(cast: Cast, alice: Client, client: Client) -> None:
    key, secret = make_key(cast.acme, scopes=["events:write"])

    for address in ("/docs/", "/docs/api/report_events/"):
        page = alice.get(address).content.decode()
        assert f"Bearer {key.prefix}…" in page
        assert secret not in page
        assert "Back to Acme" in page
    client.force_login(cast.charlie, backend="django.contrib.auth.backends.ModelBackend")
    assert key.prefix not in client.get("/docs/").content.decode()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/docs/", "Send an event"),
        ("/docs/limits/", "subject-throttle"),
        ("/docs/webhooks/", "webhook-signature"),
        ("/docs/errors", "quota_exceeded"),
    ],
)
def test_texts_are_those_of_the_documentation(client: Client, db: None, address: str, words: str) -> None:
    page = shown(client.get(address))
    assert words in page
    assert "tests/" not in page
    assert "**" not in page
    assert address != "/docs/webhooks/" or all(name in page for name in EVENT_TYPES)
