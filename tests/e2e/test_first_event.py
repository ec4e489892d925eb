"""From a stranger to a counted request, and the pages on which the new customer sees it."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.installation import Installation
from tests.e2e.mailbox import Mailbox
from tests.e2e.sign_in import found_organisation, name_organisation, sign_up
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.e2e

CHART = """() => { const chart = window.Chart.getChart(document.querySelector("canvas[data-chart]"));
    return {labels: chart.data.labels, values: chart.data.datasets.map((dataset) => dataset.data)}; }"""


def test_a_new_customer_gets_from_the_landing_page_to_a_counted_request(
    visit: Callable[[], Visitor], mailbox: Mailbox
) -> None:
    newcomer = visit()
    page = newcomer.page
    page.goto("/")
    newcomer.look("landing")
    page.get_by_role("link", name="Create an account").first.click()
    newcomer.look("sign-up")
    sign_up(newcomer, mailbox, "ada@newcomer.example")
    newcomer.look("name-organisation")
    name_organisation(newcomer, "Newcomer & Daughters")
    newcomer.look("first-steps")
    page.get_by_role("button", name="Create live key").click()
    secret = page.locator("#new-key").inner_text()
    assert secret.startswith("ch_live_")
    assert newcomer.copied("new-key") == secret
    newcomer.look("first-steps-key")
    expect(page.locator("#first-event")).to_contain_text("Waiting for your first event")

    snippet = newcomer.copied("snippet-curl")
    answer = subprocess.run(["bash", "-c", snippet], check=True, capture_output=True, text=True, timeout=600).stdout
    assert " 201 " in answer.splitlines()[0]

    expect(page.locator("#first-event")).to_contain_text("Your event has arrived")
    newcomer.look("first-steps-event")
    page.reload()
    assert secret not in page.content(), "a key is shown once"
    page.get_by_role("link", name="See your usage").click()
    expect(page.get_by_role("listitem").filter(has_text="API requests").first).to_contain_text("1 ")
    newcomer.look("overview-first-event")


def test_the_snippet_works_unchanged_in_every_language(
    visit: Callable[[], Visitor], mailbox: Mailbox, installation: Installation
) -> None:
    developer = visit()
    page = developer.page
    slug = found_organisation(developer, mailbox, "grace@polyglot.example", "Polyglot")
    page.get_by_role("button", name="Create live key").click()
    secret = page.locator("#new-key").inner_text()

    bash = subprocess.run(
        ["bash", "-c", developer.copied("snippet-curl")], check=True, capture_output=True, text=True, timeout=600
    )
    assert " 201 " in bash.stdout.splitlines()[0]
    page.get_by_role("tab", name="Python").click()
    python = [sys.executable, "-c", developer.copied("snippet-python")]
    assert subprocess.run(python, check=True, capture_output=True, text=True, timeout=600).stdout.startswith("201 ")
    page.get_by_role("tab", name="JavaScript").click()
    with page.expect_console_message(lambda message: message.text.startswith("201 ")):
        page.evaluate(developer.copied("snippet-javascript"))
    assert usage_by_api(installation, secret) == 3
    page.goto(f"/t/{slug}/events/")
    expect(page.get_by_role("row", name="Accepted")).to_have_count(3)


def test_chart_table_csv_and_api_call_give_the_same_numbers(
    visit: Callable[[], Visitor], mailbox: Mailbox, installation: Installation
) -> None:
    analyst = visit()
    page = analyst.page
    slug = found_organisation(analyst, mailbox, "emmy@numbers.example", "Numbers")
    page.get_by_role("button", name="Create live key").click()
    secret = page.locator("#new-key").inner_text()
    page.goto(f"/t/{slug}/usage/")
    analyst.look("usage-empty")
    for number in range(7):
        send(installation, secret, f"n-{number}", endpoint="/v1/search" if number % 3 else "/v1/orders")
    page.goto(f"/t/{slug}/usage/")
    expect(page.locator("tfoot")).to_contain_text("7")

    with page.expect_response(lambda response: "group_by=resource_path" in response.url):
        page.get_by_label("Group by").select_option("resource_path")
    table = page.get_by_role("region", name="By day")
    expect(table.locator("thead")).to_contain_text("/v1/search")
    analyst.look("usage-by-endpoint")
    expect(table.locator("tfoot td")).to_have_text(["4", "3", "7", "0"])  # the larger group first, and before
    chart = page.evaluate(CHART)
    assert chart["values"] == columns_of_table(table)[: len(chart["values"])] != []

    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert {row["resource_path"]: row["quantity"] for row in rows} == {"/v1/orders": "3", "/v1/search": "4"}

    answer = run_api_call(analyst.copied("api-call"), secret)
    assert {row["group"]["resource_path"]: row["quantity"] for row in answer["data"]} == {
        "/v1/orders": "3",
        "/v1/search": "4",
    }


def test_the_debugger_shows_the_outcome_of_each_event_as_it_arrives(
    visit: Callable[[], Visitor], mailbox: Mailbox, installation: Installation
) -> None:
    developer = visit()
    page = developer.page
    slug = found_organisation(developer, mailbox, "joan@debugger.example", "Debugger")
    page.get_by_role("button", name="Create live key").click()
    secret = page.locator("#new-key").inner_text()
    page.goto(f"/t/{slug}/events/")
    expect(page.get_by_text("No live events yet")).to_be_visible()
    developer.look("events-empty")

    assert send(installation, secret, "order-1", endpoint="/v1/orders") == 201
    assert send(installation, secret, "order-1", endpoint="/v1/orders") == 200
    assert send(installation, secret, "order-1", endpoint="/v1/other") == 409
    assert installation.ask("POST", "/events", key=secret, body={"id": "order-2", "type": "nonsense"})[0] == 422
    # The test does not reload: the page watches.
    for outcome, reason in (("Accepted", "order-1"), ("Duplicate", "order-1"), ("Rejected", "unknown_event_type")):
        expect(page.get_by_role("row", name=outcome).filter(has_text=reason)).to_be_visible()
    expect(page.locator("tbody")).to_contain_text("event_conflict")
    developer.look("events")

    page.get_by_label("Outcome").select_option("rejected")
    expect(page.get_by_role("row", name="Accepted")).to_have_count(0)
    page.goto(f"/t/{slug}/events/")
    page.get_by_role("row", name="Accepted").get_by_role("link", name="order-1").click()
    expect(page.get_by_role("heading", name="Properties")).to_be_visible()
    developer.look("event")


def send(installation: Installation, secret: str, event_id: str, *, endpoint: str) -> int:
    body = {"id": event_id, "type": "http_request", "properties": {"resource_path": endpoint, "status": 200}}
    return installation.ask("POST", "/events", key=secret, body=body)[0]


def usage_by_api(installation: Installation, secret: str) -> Decimal:
    status, answer = installation.ask("GET", "/usage/realtime", key=secret)
    assert status == 200
    return sum((Decimal(hour["quantity"]) for hour in answer["data"]), Decimal())


def columns_of_table(table: Locator) -> list[list[int]]:
    """Return the numbers of the table by series, the oldest first. Sums are the last columns."""
    rows = [row.locator("td").all_inner_texts() for row in reversed(table.locator("tbody tr").all())]
    return [
        [int(cell.replace(",", "").replace("\N{EN DASH}", "0")) for cell in column]
        for column in zip(*rows, strict=True)
    ]


def run_api_call(command: str, secret: str) -> dict[str, Any]:
    environment = {"COUNTINGHOUSE_KEY": secret, "PATH": "/usr/bin:/bin"}
    output = subprocess.run(
        ["bash", "-c", command], check=True, capture_output=True, text=True, env=environment, timeout=600
    ).stdout
    answer: dict[str, Any] = json.loads(output)
    return answer
