"""The `type` of a problem leads to a page that explains the code."""

import pytest
from django.test import Client

from portal.error_codes import CODES

pytestmark = pytest.mark.django_db


def test_the_type_of_a_problem_can_be_followed(client: Client) -> None:
    address, code = client.get("/api/v1/nothing").json()["type"].split("#")
    page = client.get(address)
    assert page.status_code == 200
    assert f'<tr id="{code}">' in page.content.decode()


def test_every_code_of_the_page_is_shown_with_its_code_marked(client: Client) -> None:
    page = client.get("/docs/errors").content.decode()
    assert len(CODES) > 30
    assert all(f'id="{error.code}"' in page for error in CODES)
    assert "`" not in page.split("<tbody>")[1].split("</tbody>")[0]


@pytest.mark.parametrize("code", ["timestamp_too_old", "invalid_timestamp", "invalid_data", "unknown_event_type"])
def test_the_reason_of_a_refused_event_has_one_place_on_the_page(client: Client, code: str) -> None:
    assert client.get("/docs/errors").content.decode().count(f'id="{code}"') == 1
