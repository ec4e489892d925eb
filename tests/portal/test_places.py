"""The pages that the search knows by name."""

import pytest

from accounts.domain.roles import Role
from portal.places import PLACES, places_of
from tests.portal.pages import LEAST_ROLE, may_open


def test_each_place_is_named_once() -> None:
    names = [place.name for place in PLACES]

    assert len(names) == len(set(names))
    assert set(names) <= set(LEAST_ROLE)


@pytest.mark.parametrize("role", list(Role))
def test_a_role_finds_exactly_the_places_that_it_may_open(role: Role) -> None:
    expected = {place.name for place in PLACES if may_open(place.name, role)}

    assert {place.name for place in places_of(role)} == expected
