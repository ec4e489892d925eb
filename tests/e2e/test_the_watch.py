"""The control: each of the faults that a tour must not meet is met here on purpose, and detected."""

from collections.abc import Callable

import pytest

from accounts.domain.api_key import KeyKind, generate_key
from tests.e2e.installation import Installation
from tests.e2e.secrecy import connect, secrets_in_log, secrets_in_mails
from tests.e2e.visitor import Visitor
from tests.security.dump import secrets_in_rows

pytestmark = pytest.mark.e2e

WRONG = """() => {
    console.error("spilt ink");
    setTimeout(() => { throw new Error("torn page"); });
    document.body.appendChild(document.createElement("input")).style.width = "2000px";
}"""
# An address of this machine under another name, on a page without a policy that would forbid it.
ABROAD = "() => fetch('http://127.0.0.1:9/').catch(() => null)"


def test_each_fault_on_a_page_is_detected(visit: Callable[[], Visitor]) -> None:
    visitor = visit()
    visitor.page.goto("/")
    with visitor.context.expect_event("weberror"):
        visitor.page.evaluate(WRONG)
    visitor.look("wrong")
    visitor.page.goto("about:blank")
    visitor.page.evaluate(ABROAD)
    noticed = "\n".join(visitor.troubles)
    visitor.troubles.clear()
    for trouble in (
        "console: spilt ink",
        "script: ",
        "torn page",
        "is wider than a phone",
        "] label (critical)",
        "another host: ",
    ):
        assert trouble in noticed


def test_a_planted_secret_is_detected_in_the_database_the_log_and_a_mail(installation: Installation) -> None:
    key, password = generate_key(KeyKind.LIVE), "redis://:crumbs@redis"
    with connect(installation) as connection:
        connection.autocommit = False
        planted = "INSERT INTO cache VALUES ('planted', %s, now()) "
        connection.execute(planted, [f"a {key}"])
        assert "cache: API key" in secrets_in_rows(connection)
        connection.rollback()
    assert secrets_in_log(["  the welcome " + key, f"path=/{key}", password]) == [
        "log, line 2: API key",
        "log, line 3: password in an address",
    ]
    assert secrets_in_mails(["harmless", f"a {key}"]) == ["mail 2: API key"]
