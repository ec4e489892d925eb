"""Product codes as a process knows them: the mapped event type, else the code itself."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.domain.pages import PageRequest
from accounts.errors import NotFoundError
from metering.models import EventType, ProductCode
from metering.selectors.product_codes import (
    event_type_of_product,
    forget_product_codes,
    product_code_named,
    product_codes_page,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


def test_codes_are_read_once_and_known_by_name() -> None:
    forget_product_codes()
    http_request = EventType.objects.get(code="http_request")
    ProductCode.objects.create(code="SKU-1", event_type=http_request, created_at=NOW)
    with CaptureQueriesContext(connection) as queries:
        assert [event_type_of_product(code) for code in ("SKU-1", "tokens")] == ["http_request", "tokens"]
    assert len(queries) == 1
    assert [row.code for row in product_codes_page(PageRequest(rows_max=5)).rows] == ["SKU-1"]
    assert product_code_named("SKU-1").event_type == http_request
    with pytest.raises(NotFoundError):
        product_code_named("SKU-2")
