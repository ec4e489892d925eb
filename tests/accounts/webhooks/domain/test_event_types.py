"""The types of webhook events."""

import pytest

from accounts.errors import InvalidFieldsError
from accounts.webhooks.domain.event_types import EVENT_TYPES, checked_event_types


def test_types_are_those_of_the_contract_and_predicted_crossings_each_once() -> None:
    assert len(set(EVENT_TYPES)) == 15
    assert checked_event_types(["invoice.paid", "invoice.drafted", "invoice.paid"]) == (
        "invoice.drafted",
        "invoice.paid",
    )


def test_each_unknown_type_is_named() -> None:
    with pytest.raises(InvalidFieldsError) as caught:
        checked_event_types(["invoice.paid", "invoice.*", ""])
    assert [error.pointer for error in caught.value.field_errors] == ["/event_types/1", "/event_types/2"]
