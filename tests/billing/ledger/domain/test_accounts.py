"""The chart of accounts is that of docs/algorithms/ledger.md."""

from billing.ledger.domain.accounts import LedgerAccount
from tests.algorithm_pages import rows_below


def test_the_chart_of_accounts_is_as_documented() -> None:
    rows = rows_below("ledger", "account", "side", "of", "what its balance is")
    assert [account for account, *_ in rows] == [account.value for account in LedgerAccount]
