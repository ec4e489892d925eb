"""Event types and product codes in the admin: services write them, with one audit entry for each change."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from metering.models import EventType, ProductCode
from metering.selectors.catalog import known_event_types


def actions(kind: str) -> list[str]:
    return list(AuditEntry.objects.filter(target_kind=kind).order_by("pk").values_list("action", flat=True))


def test_an_event_type_is_created_and_renamed_and_keeps_its_code(as_robin: Client) -> None:
    as_robin.post(reverse("admin:metering_eventtype_add"), {"code": "tokens", "name": "Tokens", "description": ""})
    assert "tokens" in known_event_types()
    event_type = EventType.objects.get(code="tokens")
    page = reverse("admin:metering_eventtype_change", args=[event_type.pk])
    as_robin.post(page, {"code": "other", "name": "Tokens used", "description": "By a model."})
    event_type.refresh_from_db()
    assert (event_type.code, event_type.name, event_type.description) == ("tokens", "Tokens used", "By a model.")
    assert actions("event_type") == ["event_type.created", "event_type.updated"]


@pytest.mark.parametrize(("field", "value"), [("code", "With Blanks"), ("name", "")])
def test_an_invalid_event_type_is_refused(field: str, value: str, as_robin: Client) -> None:
    form = {"code": "tokens", "name": "Tokens", "description": ""} | {field: value}
    response = as_robin.post(reverse("admin:metering_eventtype_add"), form)
    assert field in response.context["adminform"].form.errors


def test_a_product_code_is_mapped_changed_and_deleted(as_robin: Client) -> None:
    http_request = EventType.objects.get(code="http_request")
    tokens = EventType.objects.create(code="tokens", name="Tokens", created_at=http_request.created_at)
    add = reverse("admin:metering_productcode_add")
    taken = as_robin.post(add, {"code": "tokens", "event_type": str(http_request.pk)})
    assert "code" in taken.context["adminform"].form.errors
    as_robin.post(add, {"code": "SKU-1", "event_type": str(http_request.pk)})
    row = ProductCode.objects.get(code="SKU-1")
    as_robin.post(reverse("admin:metering_productcode_change", args=[row.pk]), {"event_type": str(tokens.pk)})
    row.refresh_from_db()
    assert row.event_type == tokens
    assert b"SKU-1" in as_robin.get(reverse("admin:metering_productcode_changelist")).content
    as_robin.post(reverse("admin:metering_productcode_delete", args=[row.pk]), {"post": "yes"})
    assert actions("product_code") == ["product_code.created", "product_code.updated", "product_code.deleted"]
