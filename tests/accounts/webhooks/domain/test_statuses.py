"""The transitions of an endpoint."""

from accounts.webhooks.domain.statuses import TRANSITIONS, EndpointStatus


def test_only_the_sender_disables_an_endpoint_and_a_customer_can_enable_it_again() -> None:
    assert TRANSITIONS.keys() == set(EndpointStatus)
    assert all(EndpointStatus.DISABLED not in after for after in TRANSITIONS.values())
    assert EndpointStatus.ACTIVE in TRANSITIONS[EndpointStatus.DISABLED]
