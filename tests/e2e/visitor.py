"""A person with a browser of their own, whose every page is watched.

Whatever a visitor does, four things are wrong everywhere: an error in the console, a script that throws, a request to
another host, a response of 5xx. `look` adds what can be seen: pictures, and axe, on a desk, in the dark and on a phone.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, ViewportSize, WebError

from tests.e2e.accessibility import ADMIN_EXCEPTIONS, violations

DESK, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
TIME_ZONE = "Europe/Zurich"
PATIENCE_MILLISECONDS = 10_000
LOCAL_SCHEMES = frozenset({"data", "blob"})
# Nothing that moves for ever is waited for: the pulse of a box that waits moves as long as it waits.
FINISHED = """() => Promise.allSettled(document.getAnimations()
    .filter((animation) => animation.effect.getComputedTiming().endTime !== Infinity)
    .map((animation) => animation.finished))"""
OVERFLOW = """() => [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .filter((element) => !element.closest("pre, .table-scroll, .visually-hidden, [hidden]"))
    .map((element) => element.outerHTML.slice(0, 120))"""
# Its theme asks the system once, when the page is loaded.
SET_THEME_OF_ADMIN = "(isDark) => document.documentElement.classList.toggle('dark', isDark)"
SCROLLS_SIDEWAYS = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


class Visitor:
    """One browser context with one page, and what went wrong in it."""

    def __init__(self, browser: Browser, *, url: str, pictures: Path, provider_urls: Sequence[str]) -> None:
        """Open an empty page without a sign-in. Payment providers' pages are the only ones of another host."""
        self.url = url
        self.hosts = tuple(f"{one}/" for one in (url, *provider_urls))
        self.pictures = pictures
        self.troubles: list[str] = []
        self.context: BrowserContext = browser.new_context(
            base_url=url,
            viewport=DESK,
            locale="en-GB",
            timezone_id=TIME_ZONE,
            color_scheme="light",
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        self.context.set_default_timeout(PATIENCE_MILLISECONDS)
        self.context.on("console", self._hear)
        self.context.on("weberror", self._catch)
        self.context.on("request", self._watch_request)
        self.context.on("response", self._watch_response)
        self.page: Page = self.context.new_page()

    def look(self, name: str) -> None:
        """Take pictures of the page, and check it with axe, on a desk, in the dark and on a phone."""
        self._view(f"{name}-desktop", DESK, "light")
        self._view(f"{name}-dark", DESK, "dark")
        self._view(f"{name}-phone", PHONE, "light")
        if self.page.evaluate(SCROLLS_SIDEWAYS):
            self._trouble(f"is wider than a phone: {self.page.evaluate(OVERFLOW)[:3]}")
        self.page.set_viewport_size(DESK)

    def judge(self, name: str, *, rules: Sequence[str] = ()) -> None:
        """Check the page with axe alone."""
        exceptions = ADMIN_EXCEPTIONS if self._is_in_admin else {}
        for violation in violations(self.page, exceptions=exceptions, rules=rules):
            self._trouble(f"[{name}] {violation}")

    def status_of(self, path: str) -> int:
        """Return the status that the visitor would get at an address, without opening it."""
        return self.context.request.get(path, max_redirects=0).status

    def copied(self, source: str) -> str:
        """Press the copy button beside an element, and return what is in the clipboard then."""
        self.page.locator(f"[data-copy={source}]").click()
        self.page.locator(f"[data-copy={source}]", has_text="Copied").wait_for()
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    @property
    def slug(self) -> str:
        """Return the slug of the tenant whose page is open."""
        found = re.match(r"/t/([^/]+)/", urlsplit(self.page.url).path)
        assert found, f"{self.page.url} is no tenant's page"
        return found[1]

    @property
    def _is_in_admin(self) -> bool:
        return urlsplit(self.page.url).path.startswith("/admin/")

    def _view(self, name: str, size: ViewportSize, scheme: Literal["light", "dark"]) -> None:
        self.page.set_viewport_size(size)
        self.page.emulate_media(color_scheme=scheme)
        if self._is_in_admin:
            self.page.evaluate(SET_THEME_OF_ADMIN, scheme == "dark")
        self.page.evaluate(FINISHED)
        self.page.screenshot(path=self.pictures / f"{name}.png", full_page=True)
        # By night nothing differs but the colours.
        self.judge(name, rules=["color-contrast"] if scheme == "dark" else ())

    def _hear(self, message: ConsoleMessage) -> None:
        # A form that is refused is answered with 422, a card with 402, and Chromium notes the status of the page itself
        # as an error.
        is_refused = "status of 422" in message.text or "status of 402" in message.text
        is_refused_form = is_refused and message.location.get("url") == self.page.url
        if message.type == "error" and not is_refused_form:
            self._trouble(f"console: {message.text} ({message.location.get('url', '')})")

    def _catch(self, error: WebError) -> None:
        self._trouble(f"script: {error.error}")

    def _watch_request(self, request: Request) -> None:
        scheme = urlsplit(request.url).scheme
        if scheme not in LOCAL_SCHEMES and not request.url.startswith(self.hosts):
            self._trouble(f"another host: {request.url}")

    def _watch_response(self, response: Response) -> None:
        if response.status >= 500:
            self._trouble(f"{response.status}: {response.url}")

    def _trouble(self, what: str) -> None:
        path = urlsplit(self.context.pages[-1].url).path if self.context.pages else "/"
        self.troubles.append(f"{path} {what}")
