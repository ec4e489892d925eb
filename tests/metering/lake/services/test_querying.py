"""Questions in SQL: which rows they read, and who may ask them."""

import pytest

from accounts.domain.scopes import Scope
from accounts.errors import ScopeMissingError
from metering.lake.domain.questions import Range
from metering.lake.services.querying import query_as_tenant
from tests.metering.ledger_world import ledger_of, make_tenant

pytestmark = pytest.mark.django_db


def test_a_table_needs_its_scope_before_a_row_is_read() -> None:
    ledger = ledger_of(make_tenant("acme"))
    with pytest.raises(ScopeMissingError, match="billing:read"):
        query_as_tenant(
            "SELECT * FROM invoice_lines", ledger=ledger, scopes=frozenset({Scope.USAGE_READ}), span=Range()
        )
