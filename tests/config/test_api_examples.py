"""The examples of the OpenAPI document are what the API takes: who pastes one is not refused for its form."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from accounts.domain.scopes import Scope
from config.api_examples import EXAMPLES
from portal.api_reference import call_groups
from tests.metering.ledger_world import make_key, make_tenant

REFUSED_FOR_ITS_FORM = {400, 415, 422}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


def test_every_call_of_a_customer_that_takes_a_body_has_an_example(document: dict[str, Any]) -> None:
    taking = {call.id for group in call_groups(document) for call in group.calls if call.body is not None}
    assert taking == EXAMPLES.keys()


@pytest.mark.django_db
def test_every_example_is_accepted(document: dict[str, Any], client: Client) -> None:
    scopes = [scope for scope in Scope if scope is not Scope.OPERATOR]
    _, secret = make_key(make_tenant("acme"), scopes=scopes)
    for call in (call for group in call_groups(document) for call in group.calls if call.body is not None):
        response = client.generic(
            call.method,
            re.sub(r"\{\w+\}", "01a1fe23-21a0-7312-846f-ca0091650000", call.path),
            data=json.dumps(call.body),
            content_type="application/json",
            HTTP_AUTHORIZATION=f"Bearer {secret}",
        )
        names_what_is_not_here = response.status_code >= 400 and response.json()["code"] == "unknown_plan"
        assert response.status_code not in REFUSED_FOR_ITS_FORM or names_what_is_not_here, (call.id, response.content)
