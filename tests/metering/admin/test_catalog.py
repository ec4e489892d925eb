"""Meters and event types in the admin: services write them, with one audit entry for each change."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry
from metering.models import EventType, Meter
from metering.selectors.catalog import known_event_types


def meter_form(**changes: str) -> dict[str, str]:
    event_type = EventType.objects.get(code="http_request")
    return {
        "code": "errors", "name": "Errors", "unit": "requests", "event_type": str(event_type.pk),
        "aggregation": "count",
        "value_property": "", "dimensions": "status", "filters": '{"status": ["500", "503"]}',
    } | changes  # fmt: skip


def actions(kind: str) -> list[str]:
    return list(AuditEntry.objects.filter(target_kind=kind).order_by("pk").values_list("action", flat=True))


def test_a_meter_that_does_not_count_yet_is_changed_and_deleted(as_robin: Client) -> None:
    as_robin.post(reverse("admin:metering_meter_add"), meter_form())
    meter = Meter.objects.get(code="errors")
    page = reverse("admin:metering_meter_change", args=[meter.pk])
    response = as_robin.post(page, meter_form(aggregation="sum", value_property="bytes"))
    assert response.status_code == 302, response.context["adminform"].form.errors
    meter.refresh_from_db()
    assert (meter.aggregation, meter.value_property) == ("sum", "bytes")
    as_robin.post(reverse("admin:metering_meter_delete", args=[meter.pk]), {"post": "yes"})
    assert not Meter.objects.filter(code="errors").exists()
    assert actions("meter") == ["meter.created", "meter.updated", "meter.deleted"]


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
