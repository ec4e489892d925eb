"""What staff changed in the catalogue is recorded under one form of name."""

from datetime import UTC, datetime

import pytest

from accounts.domain.actor import Actor
from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry
from metering.services.catalog_changes import event_type_named, record_change

pytestmark = pytest.mark.django_db


def test_a_change_names_the_row_and_belongs_to_no_tenant() -> None:
    row = event_type_named("http_request")
    as_of = datetime(2026, 3, 10, tzinfo=UTC)
    record_change(row, "event_type", "renamed", before={}, after={"a": 1}, actor=Actor.system("me"), as_of=as_of)
    entry = AuditEntry.objects.get(action="event_type.renamed")
    assert (entry.target_kind, entry.target_label, entry.tenant_id) == ("event_type", "http_request", None)


def test_an_unknown_event_type_is_named() -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        event_type_named("unheard_of")
    assert [error.pointer for error in refused.value.field_errors] == ["/event_type"]
