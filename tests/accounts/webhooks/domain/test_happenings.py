"""The event of a test."""

from uuid import UUID

from accounts.webhooks.domain.happenings import WebhookTest


def test_each_test_is_an_event_of_its_own() -> None:
    first, second = (WebhookTest(UUID(int=number), UUID(int=7), UUID(int=8)) for number in (1, 2))
    assert first.dedupe_key != second.dedupe_key
    assert first.as_body() == {"endpoint": UUID(int=8)}
