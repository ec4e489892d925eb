"""What of a mail's text its notice shows."""

from accounts.notices.domain.texts import beginning_of


def test_a_notice_shows_the_first_paragraphs_without_addresses_and_without_its_title() -> None:
    text = "It is due.\n\nPay  5 EUR\nsoon.\n\nPay here:\nhttps://x.example/pay/secret\n\nThank you.\n\nThe seller"
    assert beginning_of(text, besides="It is due") == "Pay 5 EUR soon.\nThank you."
    assert beginning_of("") == ""
