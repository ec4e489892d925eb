"""VIES is called with a deadline, and not called for a while if it does not respond."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from accounts.models import Circuit
from billing.taxation.gateways.vies import ViesAnswer, ViesError, is_vies_on, query_vies
from tests.billing.taxation.gateways.vies_server import UNAVAILABLE, VALID, Vies, vies_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def vies(settings: Settings) -> Iterator[Vies]:
    with vies_server() as server:
        settings.VIES_URL = server.url
        yield server


def test_a_number_is_checked_in_the_name_of_the_seller(vies: Vies) -> None:
    vies.answers["136695976"] = VALID
    answer = query_vies("DE136695976", requester="BE0417497106")
    assert answer == ViesAnswer(is_valid=True, reference="WAPIAAAA1", name="ACME GMBH", address="")
    assert vies.asked == [
        {
            "countryCode": "DE",
            "vatNumber": "136695976",
            "requesterMemberStateCode": "BE",
            "requesterNumber": "0417497106",
        }
    ]


def test_a_seller_without_a_number_of_its_own_checks_without_a_name(vies: Vies) -> None:
    assert not query_vies("EL094259216", requester="").is_valid
    assert vies.asked == [{"countryCode": "EL", "vatNumber": "094259216"}]


@pytest.mark.parametrize("answer", [UNAVAILABLE, b"<html>", [], {"valid": "yes"}])
def test_an_unreadable_response_is_no_verdict(vies: Vies, answer: object) -> None:
    vies.answers["136695976"] = answer
    with pytest.raises(ViesError):
        query_vies("DE136695976", requester="")


def test_a_silent_member_state_is_not_called_again_and_others_are(vies: Vies) -> None:
    vies.answers["136695976"] = UNAVAILABLE
    vies.answers["40303265045"] = VALID
    for _ in range(5):
        with pytest.raises(ViesError):
            query_vies("DE136695976", requester="")
    assert len(vies.asked) == 3
    assert Circuit.objects.get(open_until__isnull=False).name == "vies DE"
    assert query_vies("FR40303265045", requester="").is_valid


def test_an_unreachable_vies_is_no_verdict(settings: Settings) -> None:
    settings.VIES_URL = "http://127.0.0.1:9"
    with pytest.raises(ViesError):
        query_vies("DE136695976", requester="")


def test_vies_is_off_until_its_address_is_set(settings: Settings) -> None:
    assert not is_vies_on()
    settings.VIES_URL = "http://127.0.0.1:9"
    assert is_vies_on()
