"""Product codes: mapped once, changed and deleted with an audit entry, and never an event type's own code."""

from datetime import UTC, datetime

import pytest

from accounts.domain.actor import Actor
from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry
from metering.errors import CodeTakenError
from metering.models import ProductCode
from metering.selectors.product_codes import event_type_of_product, forget_product_codes
from metering.services.event_types import create_event_type
from metering.services.product_codes import create_product_code, delete_product_code, update_product_code

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
OPERATOR = Actor.system("operator")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    forget_product_codes()


def create(code: str = "SKU-1", event_type: str = "http_request") -> ProductCode:
    return create_product_code(code=code, event_type=event_type, actor=OPERATOR, as_of=NOW)


def test_a_product_code_leads_to_its_event_type_until_it_is_deleted() -> None:
    assert event_type_of_product("SKU-1") == "SKU-1"
    row = create()
    assert event_type_of_product("SKU-1") == "http_request"
    create_event_type(code="tokens", name="Tokens", actor=OPERATOR, as_of=NOW)
    for _ in range(2):
        row = update_product_code(product_code=row, event_type="tokens", actor=OPERATOR, as_of=NOW)
    assert event_type_of_product("SKU-1") == "tokens"
    delete_product_code(product_code=row, actor=OPERATOR, as_of=NOW)
    assert event_type_of_product("SKU-1") == "SKU-1"
    entries = AuditEntry.objects.filter(target_kind="product_code").order_by("pk")
    assert [(entry.action, entry.before, entry.after) for entry in entries] == [
        ("product_code.created", {}, {"event_type": "http_request"}),
        ("product_code.updated", {"event_type": "http_request"}, {"event_type": "tokens"}),
        ("product_code.deleted", {"event_type": "tokens"}, {}),
    ]


@pytest.mark.parametrize(("code", "event_type"), [("", "http_request"), ("a b", "http_request"), ("SKU-1", "nonesuch")])
def test_an_invalid_mapping_is_refused(code: str, event_type: str) -> None:
    with pytest.raises(InvalidFieldsError):
        create(code, event_type)


def test_a_product_code_is_given_once_and_is_no_event_type() -> None:
    create()
    for code in ("SKU-1", "http_request"):
        with pytest.raises(CodeTakenError):
            create(code)
