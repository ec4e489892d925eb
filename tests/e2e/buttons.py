"""Press every button of the pages that a crawl found, each with its form's own values, and take back what it did.

A press is made by Django's client in a savepoint that is rolled back, so no press changes what the next one meets.
It ends well in a page of its own, a file, a message or a named field. These are faults: a status of 500, 404, 403 or
405, a page that neither changed nor says why, a form without its token, and words that only a program understands.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.utils import timezone

from tests.e2e.crawler import FOR_PROGRAMS, NAMED, ONE_OF_MANY, REDIRECTS_MAX, Crawl, PageParser
from tests.shared_world import forget_what_a_process_knows

BASE: Final = "http://testserver"
REFUSALS: Final = frozenset({400, 402, 409, 422})
# What says why something was not done, or which field was wrong.
SAID: Final = re.compile(r'role="(?:alert|status)"[^>]*>\s*\S|class="[^"]*\berrorlist\b|aria-invalid="true"')
DONE: Final = frozenset({200, 201, 202, 204})
FILLED: Final = {
    "email": "new.person@example.org", "number": "1", "url": "https://example.org/hook", "search": "a", "tel": "1",
    "text": "A name", "textarea": "A reason", "password": "seven sober herons", "month": "2026-11",
}  # fmt: skip
ENTER_KEY: Final[Sequence[Mapping[str, str]]] = ({"label": "the key Enter"},)
UNSENT: Final = {"submit", "button", "reset", "image", "file"}


@dataclass(frozen=True, slots=True)
class Button:
    """A button with the form that it sends."""

    page: str
    label: str
    method: str
    action: str
    values: tuple[tuple[str, str], ...]
    empty: tuple[tuple[str, str], ...] = ()  # names and types of fields without a value

    @property
    def kind(self) -> str:
        """Return what buttons of one kind share, whatever row or invoice they stand beside."""
        names = sorted({name for name, _ in self.values if name != "csrfmiddlewaretoken"})
        chosen = dict(self.values).get("action", "")
        path = NAMED.sub("*", urlsplit(self.action).path)
        return f"{self.method} {path} {NAMED.sub('*', self.label)} {chosen} {names}"

    def filled(self) -> "Button":
        """Return the same button with a plausible value in each field that was empty."""
        today = timezone.now().date().isoformat()
        values = {name: FILLED.get(kind, today if kind == "date" else "1") for name, kind in self.empty}
        kept = ((name, value) for name, value in self.values if name not in values)
        return replace(self, values=(*kept, *values.items()))


@dataclass
class OpenForm:
    """A form while it is read."""

    method: str
    action: str
    values: list[tuple[str, str]] = field(default_factory=list)
    empty: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[Mapping[str, str]] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)  # what the admin's lists offer for chosen rows
    rows: list[tuple[str, str]] = field(default_factory=list)


class FormParser(HTMLParser):
    """The forms of a page with the values that a browser would send."""

    def __init__(self) -> None:
        """Begin with an empty page."""
        super().__init__()
        self.forms: list[OpenForm] = []
        self.named: dict[str, OpenForm] = {}
        self.waiting: list[tuple[str, str, Mapping[str, str]]] = []  # controls outside of the form that they name
        self._form: OpenForm | None = None
        self._select: tuple[str, OpenForm | None] | None = None
        self._options: list[tuple[str, bool]] = []
        self._text: tuple[str, str, OpenForm | None] | None = None
        self._button: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record a form or a control of one."""
        given = {name: value or "" for name, value in attrs}
        form = self._form_of(given)
        if tag == "form":
            self._form = OpenForm(given.get("method", "get").lower(), given.get("action", ""))
            self.forms.append(self._form)
            if "id" in given:
                self.named[given["id"]] = self._form
        elif tag == "select" and "disabled" not in given:
            self._select, self._options = (given.get("name", ""), form), []
        elif tag == "option":
            self._options.append((given.get("value", ""), "selected" in given))
        elif tag == "textarea" and "disabled" not in given:
            self._text = (given.get("name", ""), "", form)
        elif tag == "button" and given.get("type", "submit") == "submit":
            self._button = given
        elif tag == "input" and "disabled" not in given and form is not None:
            self._input(given, form)

    def handle_endtag(self, tag: str) -> None:
        """Record what a form, a select, a text or a button held."""
        if tag == "form":
            self._form = None
        elif tag == "select" and self._select is not None:
            (name, form), self._select = self._select, None
            if form is not None and name and self._options:
                chosen = next((value for value, is_chosen in self._options if is_chosen), self._options[0][0])
                form.values.append((name, chosen))
                if name == "action":
                    form.actions = [value for value, _ in self._options if value]
        elif tag == "textarea" and self._text is not None:
            (name, text, form), self._text = self._text, None
            if form is not None and name:
                form.values.append((name, text.strip("\r\n")))
                if not text.strip():
                    form.empty.append((name, "textarea"))
        elif tag == "button" and self._button is not None:
            form = self._form_of(self._button)
            if form is not None and "disabled" not in self._button:
                form.buttons.append(self._button)
            self._button = None

    def handle_data(self, data: str) -> None:
        """Record the text of a button or a text field."""
        if self._button is not None:
            self._button["label"] = " ".join(f"{self._button.get('label', '')} {data}".split())
        if self._text is not None:
            name, text, form = self._text
            self._text = (name, text + data, form)

    def _form_of(self, given: Mapping[str, str]) -> OpenForm | None:
        return self.named.get(given["form"]) if "form" in given else self._form

    def _input(self, given: Mapping[str, str], form: OpenForm) -> None:
        kind, name, value = given.get("type", "text"), given.get("name", ""), given.get("value", "")
        if kind == "submit":
            form.buttons.append({**given, "label": value})
        elif name == "_selected_action":
            form.rows.append((name, value))
        elif kind in {"checkbox", "radio"}:
            if "checked" in given:
                form.values.append((name, value or "on"))
        elif name and kind not in UNSENT:
            form.values.append((name, value))
            if not value and kind != "hidden":
                form.empty.append((name, kind))


def buttons_of(page: str, text: str) -> Iterator[Button]:
    """Yield every button of a page, and every action that the admin offers for rows."""
    parser = FormParser()
    parser.feed(text)
    parser.close()
    for form in parser.forms:
        for button in form.buttons or ENTER_KEY[form.method != "get" :]:
            method = button.get("formmethod", form.method).lower()
            if method == "dialog":
                continue
            own = [(button["name"], button.get("value", ""))] if button.get("name") else []
            label = button.get("label") or button.get("aria-label") or button.get("title") or "(icon)"
            action = urljoin(page, button.get("formaction") or form.action or page)
            values, empty = (*form.values, *own), tuple(form.empty)
            yield Button(page, label, method, action, values, empty)
            for chosen in form.actions if form.rows else ():
                rest = [(name, value) for name, value in values if name != "action"]
                yield Button(page, label, method, action, (*rest, ("action", chosen), form.rows[0]), empty)


class PageCrawl(Crawl):
    """A crawl of pages as they open. What a query sorts or filters has the same buttons, so it is left out."""

    def _is_wanted(self, address: str) -> bool:
        return not urlsplit(address).query and super()._is_wanted(address)


@dataclass
class Pages:
    """What `Crawl` asks for pages: Django's client, which keeps the text of each page."""

    client: Client
    texts: dict[str, str] = field(default_factory=dict)

    def get(self, url: str, *, max_redirects: int) -> "Answer":
        """Return a page, after the redirects that lead to it."""
        answer = follow(self.client, self.client.get(url), url, max_redirects)
        if answer.is_page and answer.status == 200:
            self.texts[answer.url.removeprefix(BASE)] = answer.text()
        return answer


@dataclass(frozen=True, slots=True)
class Answer:
    """A response after its redirects, as `Crawl` reads it."""

    url: str
    status: int
    headers: Mapping[str, str]
    response: Any
    is_elsewhere: bool = False

    @property
    def is_page(self) -> bool:
        """Return whether it is an HTML page."""
        return self.headers.get("content-type", "").startswith("text/html")

    def text(self) -> str:
        """Return the body."""
        return str(self.response.content.decode())


def follow(client: Client, response: Any, url: str, redirects_max: int) -> Answer:
    """Follow redirects within the installation."""
    for _ in range(redirects_max):
        if response.status_code not in {301, 302, 303, 307, 308}:
            break
        target = urljoin(f"{BASE}{url.removeprefix(BASE)}", response.headers["Location"])
        if not target.startswith(f"{BASE}/"):
            return Answer(target, response.status_code, {}, response, is_elsewhere=True)
        url = target.removeprefix(BASE)
        response = client.get(url)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(f"{BASE}{url.removeprefix(BASE)}", response.status_code, headers, response)


@dataclass
class Presses:
    """What pressing led to."""

    client: Client
    methods: Sequence[str] = ("get", "post")
    faults: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    pressed: int = 0
    done: int = 0
    refused: int = 0

    def press_all(self, texts: Mapping[str, str]) -> None:
        """Press one button of each kind on these pages."""
        for page, text in texts.items():
            for button in buttons_of(page, text):
                if button.method in self.methods and button.kind not in self.seen:
                    self.seen.add(button.kind)
                    if not self._press(button, text) and button.empty:
                        self._press(button.filled(), text)

    def _press(self, button: Button, before: str) -> bool:
        """Press a button, judge what it leads to, and return whether it did what it says."""
        self.pressed += 1
        cookies = copy(self.client.cookies)
        with transaction.atomic():
            answer = follow(self.client, self._send(button), button.action, REDIRECTS_MAX)
            fault = fault_of(answer, button, before)
            transaction.set_rollback(True)
        self.client.cookies = cookies
        cache.clear()
        forget_what_a_process_knows()
        is_done = not fault and answer.status not in REFUSALS
        self.done += is_done
        self.refused += not fault and not is_done
        if fault:
            self.faults.append(f"{button.page}: {button.label!r} ({button.method} {button.action}): {fault}")
        return is_done

    def _send(self, button: Button) -> Any:
        referer = {"HTTP_REFERER": f"{BASE}{button.page}"}
        if button.method == "get":
            return self.client.get(f"{urlsplit(button.action).path}?{urlencode(button.values)}", **referer)
        body = urlencode(button.values)
        return self.client.post(button.action, body, content_type="application/x-www-form-urlencoded", **referer)


def fault_of(answer: Answer, button: Button, before: str) -> str:
    """Return what is wrong with a page that a button led to, or an empty text."""
    if answer.is_elsewhere:
        return ""
    if answer.status not in {*DONE, *REFUSALS}:
        error = getattr(answer.response, "exc_info", None)
        return f"status {answer.status} at {answer.url}{f': {error[1]!r}' if error else ''}"
    if not answer.is_page:
        return "" if answer.status < 400 else f"status {answer.status} without a page"
    text = answer.text()
    words = words_of(text)
    has_changed = urlsplit(answer.url).path != urlsplit(button.page).path or words != words_of(before)
    if not SAID.search(text) and (answer.status in REFUSALS or (button.method == "post" and not has_changed)):
        return f"status {answer.status}, and the page says nothing of it"
    wrong = words_for_programs(words)
    return f"the page says {wrong[0]!r}" if wrong else ""


def words_of(text: str) -> list[str]:
    """Return the visible lines of a page."""
    page = PageParser()
    page.feed(text)
    page.close()
    return page.words


def words_for_programs(words: Sequence[str]) -> list[str]:
    """Return the lines that only a program understands, or that count one thing in the plural."""
    return [line[:120] for line in words if FOR_PROGRAMS.search(line) or ONE_OF_MANY.search(line)]
