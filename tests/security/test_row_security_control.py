"""The control of `test_row_security.py`. It is in a file of its own, since the owner needs a connection of its own."""

import pytest

from tests.isolation.test_every_route import nothing_remembered
from tests.isolation.world import make_estate
from tests.security.test_row_security import scopes_removed, shown_of

__all__ = ["nothing_remembered"]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.as_owner,
    pytest.mark.takes_long("every call and page, twice as slow without its scopes"),
]


def test_control_without_the_policies_another_tenants_rows_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    # The control: the owner of this cluster is a superuser, to whom no policy applies.
    acme, rival = make_estate("acme"), make_estate("rival")
    with scopes_removed(monkeypatch):
        shown = shown_of(acme, to=rival)
    assert shown >= {
        "api/v1/keys",
        "api/v1/events",
        "api/v1/invoices",
        "api/v1/credit-notes",
        "t/<slug:slug>/keys/",
        "t/<slug:slug>/events/",
        "t/<slug:slug>/team/",
        "t/<slug:slug>/invoices/",
        "t/<slug:slug>/audit/",
    }
