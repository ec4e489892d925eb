"""Meters in the admin: changed until they count, then by versions, filled with progress; services write all of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from metering.models import EventType, Meter, MeterFill, MeterVersion
from metering.services.meter_filling import fill_meters
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send


def meter_form(**changes: str) -> dict[str, str]:
    event_type = EventType.objects.get(code="http_request")
    return {
        "code": "errors", "name": "Errors", "unit": "requests", "event_type": str(event_type.pk),
        "aggregation": "count",
        "value_property": "", "dimensions": "status", "filters": '{"status": ["500", "503"]}',
    } | changes  # fmt: skip


def actions(kind: str) -> list[str]:
    return list(AuditEntry.objects.filter(target_kind=kind).order_by("pk").values_list("action", flat=True))


def page(meter: Meter, name: str = "change") -> str:
    return reverse(f"admin:metering_meter_{name}", args=[meter.pk])


def version_form(**changes: str) -> dict[str, str]:
    return {"aggregation": "sum", "value_property": "", "formula": "", "dimensions": "", "filters": "{}"} | changes


@pytest.fixture
def sizes(db: None) -> Meter:
    make_meter("sizes", "call", aggregation="sum", value_property="size")
    return Meter.objects.get(code="sizes")


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


def test_a_formula_that_cannot_be_read_is_shown_at_its_field(as_robin: Client) -> None:
    form = meter_form(aggregation="sum", formula="size +")
    response = as_robin.post(reverse("admin:metering_meter_add"), form)
    assert response.context["adminform"].form.errors["formula"] == [
        "The formula ends too early, such as a + or a bracket without its counterpart."
    ]


def test_a_new_version_begins_with_the_latest_definition_and_is_shown_and_cancelled(
    as_robin: Client, sizes: Meter
) -> None:
    form = as_robin.get(page(sizes, "new_version")).context["form"]
    assert (form.initial["value_property"], form.initial["aggregation"]) == ("size", "sum")
    refused = as_robin.post(page(sizes, "new_version"), version_form(formula="size +"))
    assert "ends too early" in str(refused.context["form"].errors["formula"])
    early = as_robin.post(page(sizes, "new_version"), version_form(formula="size", begins_at="2020-01-01 00:00"))
    assert "6 minutes ahead" in str(early.context["form"].errors["begins_at"])
    as_robin.post(page(sizes, "new_version"), version_form(formula="ceil(size / 10)"))
    assert not as_robin.get(page(sizes)).context["adminform"].form.fields.get("aggregation")
    tomorrow = timezone.now() + timedelta(days=1)
    later = version_form(aggregation="count", begins_at=f"{tomorrow:%Y-%m-%d %H:%M}")
    made = as_robin.post(page(sizes, "new_version"), later, follow=True)
    assert f"Version 3 counts the events that occur from {tomorrow:%Y-%m-%d %H:%M} UTC on." in made.content.decode()
    rows = made.context["versions"]
    assert [(row["number"], row["rule"]) for row in rows] == [
        (3, "Count of events"),
        (2, "Sum of a value: ceil(size / 10)"),
        (1, "Sum of a value: size"),
    ]
    assert "Cancel the next version" in made.content.decode()
    as_robin.post(page(sizes, "cancel_version"), {})
    assert [version.number for version in sizes.versions.all()] == [2]
    assert actions("meter") == ["meter.version_created", "meter.version_created", "meter.version_cancelled"]


def test_the_list_shows_versions_and_states_in_a_fixed_number_of_queries(
    as_robin: Client, sizes: Meter, django_assert_max_num_queries: Any
) -> None:
    for number in range(9):
        make_meter(f"meter-{number}", "call")
    with django_assert_max_num_queries(16):
        response = as_robin.get(reverse("admin:metering_meter_changelist"))
    assert b"counts" in response.content


def test_the_list_shows_the_rule_of_the_version_that_counts_now(as_robin: Client, sizes: Meter) -> None:
    now = timezone.now()
    for number, (begins_at, name) in enumerate(((now, "kilobytes"), (now + timedelta(days=1), "megabytes")), start=2):
        MeterVersion.objects.create(
            meter=sizes, number=number, begins_at=begins_at, created_at=now, aggregation="sum", value_property=name
        )
    shown = as_robin.get(reverse("admin:metering_meter_changelist")).content.decode()
    assert "Sum of a value: kilobytes" in shown
    assert "megabytes" not in shown


def test_a_meter_of_the_past_shows_its_progress_and_can_be_filled_again(as_robin: Client) -> None:
    now = timezone.now()
    make_meter("calls", "http_request")
    ledger = ledger_of(make_tenant("acme"))
    send(ledger, [{"id": "a", "type": "http_request", "timestamp": now - timedelta(days=3)}], as_of=now)
    send(ledger, [{"id": "b", "type": "http_request", "timestamp": now}], as_of=now)
    counts_from = now - timedelta(days=30)
    as_robin.post(reverse("admin:metering_meter_add"), meter_form(
        filters="{}", counts_from_0=f"{counts_from:%Y-%m-%d}", counts_from_1="00:00:00"
    ))  # fmt: skip
    meter = Meter.objects.get(code="errors")
    assert as_robin.get(page(meter)).context["filling"] == "the first day follows within a minute"
    later, seen = now + timedelta(minutes=1), iter([False, False, True])
    fill_meters(as_of=later, on_day=lambda _: None, is_over=lambda: next(seen))
    assert as_robin.get(page(meter)).context["filling"] == "2 of 4 days are filled"
    assert b"is being filled" in as_robin.get(reverse("admin:metering_meter_changelist")).content
    fill_meters(as_of=later, on_day=lambda _: None)
    assert as_robin.get(page(meter)).context["filling"] == ""
    as_robin.post(page(meter, "fill_again"), {})
    assert Meter.objects.get(pk=meter.pk).fill_from is not None
    assert not MeterFill.objects.exists()
    assert actions("meter") == ["meter.created", "meter.filled", "meter.fill_requested"]
