"""The control: each of the things that nobody may meet on the tour is met here on purpose, and noticed."""

from collections.abc import Callable

import pytest

from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.e2e

WRONG = """() => {
    console.error("spilt ink");
    setTimeout(() => { throw new Error("torn page"); });
    document.body.appendChild(document.createElement("input")).style.width = "2000px";
}"""
# An address of this machine under another name, on a page without a policy that would forbid it.
ABROAD = "() => fetch('http://127.0.0.1:9/').catch(() => null)"


def test_what_is_wrong_on_a_page_is_noticed(visit: Callable[[], Visitor]) -> None:
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
