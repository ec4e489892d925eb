"""The page of each address."""

import re
from collections.abc import Callable
from pathlib import Path

from config.workbench.fakestripe.errors import Json, StripeError
from config.workbench.fakestripe.pages.checkout_page import serve_checkout
from config.workbench.fakestripe.pages.html import HtmlPage, not_found, page
from config.workbench.fakestripe.pages.invoice_page import serve_invoice
from config.workbench.fakestripe.pages.portal_page import serve_portal
from config.workbench.fakestripe.store import Store

STYLE = Path(__file__).with_name("style.css")
Answer = Callable[[Store, str, str, Json], HtmlPage]
PAGES: dict[str, Answer] = {"checkout": serve_checkout, "portal": serve_portal, "invoice": serve_invoice}


class Pages:
    """All pages of one fake."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def respond(self, method: str, path: str, form: Json) -> HtmlPage:
        """Show a page, or do what its form requests."""
        if path == "/style.css":
            return HtmlPage(STYLE.read_bytes(), content_type="text/css; charset=utf-8")
        if path == "/":
            text = "<h1>Fake Stripe</h1><p>Its API is under <code>/v1/</code>.</p>"
            return page("Home", text)
        found = re.fullmatch(r"/(checkout|portal|invoice)/([A-Za-z0-9_]+)(?:/[a-z]+)?", path)
        if not found:
            return not_found()
        with self.store.lock:
            self.store.request = {"id": None, "idempotency_key": None}
            try:
                return PAGES[found[1]](self.store, method, found[2], form)
            except StripeError as error:
                text = f"<h1>That did not work</h1><p>{error}</p>"
                return not_found() if error.status == 404 else page("Problem", text, status=error.status)
            finally:
                self.store.commit()
