"""axe on a page. Every rule that axe switches on by default counts, whatever its impact."""

from collections.abc import Mapping, Sequence

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# What django-unfold's frame breaks on every page of the admin, each of moderate impact; no rule of ours is excepted.
ADMIN_EXCEPTIONS: Mapping[str, str] = {
    "landmark-one-main": "unfold's base template puts the content into a <div>, without a <main>",
    "region": "for the same reason heading, filters and content lie outside of every landmark",
    "landmark-unique": "unfold's scroll bars (simplebar) name each of their boxes 'scrollable content'",
}

AXE_SCRIPT = Axe().axe_script


def violations(page: Page, *, exceptions: Mapping[str, str], rules: Sequence[str] = ()) -> list[str]:
    """List the violations in axe's words, a line for each element. `rules` limits what is checked."""
    if not page.evaluate("Boolean(window.axe)"):  # it stays as long as the page does
        page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    found = page.evaluate("(options) => axe.run(options)", options)["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {', '.join(map(str, node['target']))}: {_reasons(node)}: "
        f"{node['html'][:160]}"
        for rule in found
        if rule["id"] not in exceptions
        for node in rule["nodes"]
    ]


def _reasons(node: Mapping[str, list[Mapping[str, str]]]) -> str:
    return "; ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])
