"""Reading tables to their end, page by page."""

from datetime import datetime

import pytest

from accounts.models import Membership, Tenant
from accounts.selectors import table_rows
from accounts.selectors.table_rows import pages_of


@pytest.mark.parametrize("rows_of_a_page", [1, 2, 3, 4])
def test_every_row_comes_once_by_pages_of_any_size(
    acme: Tenant, globex: Tenant, now: datetime, monkeypatch: pytest.MonkeyPatch, rows_of_a_page: int
) -> None:
    monkeypatch.setattr(table_rows, "PAGE_ROWS", rows_of_a_page)
    pages = list(pages_of(Membership.objects.filter(tenant=acme), "role", email="user__email"))
    assert all(0 < len(page) <= rows_of_a_page for page in pages)
    assert [row["email"] for page in pages for row in page] == [
        "alice@example.com",
        "bob@example.com",
        "vera@example.com",
    ]
