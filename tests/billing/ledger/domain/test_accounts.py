"""The chart of accounts is the page's."""

from billing.ledger.domain.accounts import LedgerAccount
from tests.algorithm_pages import rows_below


def test_the_chart_of_accounts_is_the_pages() -> None:
    rows = rows_below("ledger", "account", "side", "of", "what its balance is")
    assert [account for account, *_ in rows] == [account.value for account in LedgerAccount]
