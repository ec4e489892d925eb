"""The label that replaces an erased person."""

from accounts.services.privacy_parts import ErasedPerson, privacy_parts


def test_a_label_loses_the_address_and_nothing_that_contains_it() -> None:
    person = ErasedPerson(7, frozenset({"alice@example.com"}), "person-7")
    assert person.without("Alice@Example.com") == "person-7"
    assert person.without("staff@example.com as alice@example.com") == "staff@example.com as person-7"
    assert person.without("malice@example.com") == "malice@example.com"


def test_the_parts_of_the_composed_application_can_be_made() -> None:
    assert len(privacy_parts()) == 12
