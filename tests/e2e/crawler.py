"""Follow every link of every page that a role can reach, and record the faults of the pages it leads to.

Pages of one kind (one address but for its numbers and names, with the same parameters) are followed a few times each,
so that sixty invoices do not take the time of sixty. These are faults anywhere: a status of 400 or above, a fragment
that its page lacks, text that only a program understands, "1 things", and a link with other parameters that shows the
very same page.
"""

import re
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final, Protocol
from urllib.parse import parse_qsl, unquote, urldefrag, urljoin, urlsplit

OF_ONE_KIND_MAX: Final = 3
PAGES_MAX: Final = 3000
REDIRECTS_MAX: Final = 5
# The parts in which pages of one kind differ.
NAMED: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=/)[0-9]+(?=/|$)|(?<=/invoices/)[^/]+|(?<=/events/)[^/]+"
    r"|(?<=/t/)[^/]+|[A-Z]+-[0-9]{4}-[0-9]+|[0-9a-f]{32}"
)
FOR_PROGRAMS: Final = re.compile(
    r"\w+\(\w+=|<\w+ object|object at 0x|\{\{|\{%|(?<!If-)\bNone\b(?!\.?$|: |-Match)|Traceback"
    r"|\bdatetime\.|\bDecimal\(|\bUUID\(|\bFalse\b|\bTrue\b|&(?:amp|lt|gt|quot|#\d+);|``|\*\*\w"
    r"|undefined|\bNaN\b|\[object "
)
FOR_PROGRAMS_IN_ADDRESSES: Final = re.compile(r"\w+\(\w+=|object at 0x|\{\{|\{%")  # Django's own say `=True`
ONE_OF_MANY: Final = re.compile(
    r"(?<![\w.,:/#-])1 (?!was|is|has|does|this|hours? |across|business)[a-z]{2,}(?<!s)s\b(?! ago)"
)
INLINE: Final = {"strong", "em", "b", "i", "small", "time", "abbr", "a"}
SILENT: Final = {"script", "style", "pre", "code", "textarea", "template", "svg"}
NOT_FOLLOWED: Final = ("mailto:", "tel:", "javascript:", "data:")


class PageParser(HTMLParser):
    """The links, forms, ids and visible words of a page."""

    def __init__(self) -> None:
        """Begin with an empty page."""
        super().__init__()
        self.links: list[str] = []
        self.current: set[str] = set()
        self.forms: list[tuple[str, str]] = []
        self.ids: set[str] = set()
        self.words: list[str] = []
        self._open_words = ""
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record links, forms and ids."""
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
            if "aria-current" in given:
                self.current.add(given["href"])
        if tag == "form":
            self.forms.append((given.get("method", "get").lower(), given.get("action", "")))
        self._change_tag(tag, 1)

    def handle_endtag(self, tag: str) -> None:
        """Record that a part of the page ends."""
        self._change_tag(tag, -1)

    def handle_data(self, data: str) -> None:
        """Record visible text, joining the text of one line."""
        if self._silent <= 0:
            self._open_words += data

    def close(self) -> None:
        """End the last line."""
        super().close()
        self._end_line()

    def _change_tag(self, tag: str, by: int) -> None:
        if tag not in INLINE:
            self._end_line()
        self._silent += by * (tag in SILENT)

    def _end_line(self) -> None:
        line = " ".join(self._open_words.split())
        self._open_words = ""
        if line:
            self.words.append(line)


class Opened(Protocol):
    """A page that was opened."""

    @property
    def url(self) -> str:
        """Return the address that it has after all redirects."""

    @property
    def status(self) -> int:
        """Return the status of the last response."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Return its headers, in small letters."""

    def text(self) -> str:
        """Return its body."""


class Opener(Protocol):
    """What opens pages with a session: a browser's requests, or Django's client."""

    def get(self, url: str, *, max_redirects: int) -> Opened:
        """Open a page, and the page that it redirects to."""


@dataclass
class Crawl:
    """The pages that one visitor's links lead to."""

    request: Opener
    base: str
    scope: tuple[str, ...]  # the paths whose links are followed
    of_one_kind_max: int = OF_ONE_KIND_MAX
    faults: list[str] = field(default_factory=list)
    pages: dict[str, PageParser] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    fragments: list[tuple[str, str, str]] = field(default_factory=list)
    forms: set[str] = field(default_factory=set)
    followed: int = 0

    def run(self, *starts: str) -> None:
        """Follow links from these pages until no new one is found."""
        waiting = deque((start, "the address bar") for start in starts)
        seen = set(starts)
        while waiting:
            address, source = waiting.popleft()
            reached, page = self._open(address, source)
            for found in page.links:
                target = self._target(reached, found)
                if target is not None and target not in seen and self._is_wanted(target):
                    seen.add(target)
                    waiting.append((target, reached))
            assert self.followed < PAGES_MAX, f"the links do not end: {self.kinds.most_common(5)}"
        for source, address, fragment in self.fragments:
            if address in self.pages and unquote(fragment) not in self.pages[address].ids:
                self.faults.append(f"{source}: a link to {address}#{fragment}, which that page has not")

    def _target(self, source: str, found: str) -> str | None:
        if not found or found.startswith(NOT_FOLLOWED):
            return None
        address, fragment = urldefrag(urljoin(f"{self.base}{source}", found))
        if not address.startswith(f"{self.base}/"):
            return None
        path = address.removeprefix(self.base)
        asked, there = urlsplit(source), urlsplit(path)
        if asked.query and there.query and asked.path == there.path:
            return None  # filters beside filters have no end
        if fragment and not path.startswith("/admin/"):  # there fragments open tabs
            self.fragments.append((source, path, fragment))
        return path if path.startswith(self.scope) else None

    def _is_wanted(self, address: str) -> bool:
        parts = urlsplit(address)
        questions = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)})
        kind = f"{NAMED.sub('*', parts.path)}?{'&'.join(questions)}"
        self.kinds[kind] += 1
        return self.kinds[kind] <= self.of_one_kind_max

    def _open(self, address: str, source: str) -> tuple[str, PageParser]:
        """Return the address at which a link ends, and the page there. A file is a page without links."""
        self.followed += 1
        page = PageParser()
        if FOR_PROGRAMS_IN_ADDRESSES.search(unquote(address)):
            self.faults.append(f"{source}: a link to {unquote(address)}, which only a program understands")
        if "/None/" in address:
            self.faults.append(f"{source}: a link to {address}, which names nothing")
        response = self.request.get(address, max_redirects=REDIRECTS_MAX)
        reached = response.url.removeprefix(self.base)
        if response.status >= 400:
            self.faults.append(f"{source}: a link to {address}, which is refused with {response.status}")
            return reached, page
        if not response.headers.get("content-type", "").startswith("text/html"):
            return reached, page
        page.feed(response.text())
        page.close()
        self.pages[address] = self.pages[reached] = page
        self._judge_words(address, page)
        before = self.pages.get(source)
        if before is not None and is_another_question(source, reached, before) and before.words == page.words:
            self.faults.append(f"{source}: a link to {address}, which shows the same page")
        self.forms |= {f"{method} {NAMED.sub('*', urlsplit(action or address).path)}" for method, action in page.forms}
        return reached, page

    def _judge_words(self, address: str, page: PageParser) -> None:
        for text in page.words:
            for rule in (FOR_PROGRAMS, ONE_OF_MANY):
                if found := rule.search(text):
                    self.faults.append(f"{address}: {found[0]!r} in {text[:90]!r}")


def is_another_question(source: str, address: str, page: PageParser) -> bool:
    """Return whether an address passes parameters to its own page that differ from those shown now."""
    if "_changelist_filters" in source:
        return False  # the way back to a filtered list
    shown_now = {urldefrag(urljoin(source, link)).url for link in page.current}
    return urlsplit(source).path == urlsplit(address).path and source != address and address not in shown_now
