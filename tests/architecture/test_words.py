"""The house's rule on words: docstrings begin with a verb, retired words stay retired, no name stands for two things.

`imperatives.txt` lists the verbs that a function's docstring may begin with. No file is excepted.
"""

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest

from tests.architecture.sources import APPS, ROOT, Source, sources_below

HERE = Path(__file__).parent
GENERATED = {"migrations", "node_modules", "djstripe_migrations", "vendor", "licences"}
PAGES = {".html", ".txt", ".md", ".yaml", ".yml", ".toml", ".sh"}

IMPERATIVES = frozenset((HERE / "imperatives.txt").read_text().split())

RETIRED = {
    "anew": "again",
    "answers": "returns (a function), responds or responses (a server), says (a page)",
    "nobody": "no one, or name the actor",
    "somebody": "someone, or name the actor",
    "everybody": "everyone, or name the actors",
    "wherein": "in which",
    "thereof": "of it",
    "aforesaid": "this",
}
RETIRED_WORD = re.compile(rf"\b(?:{'|'.join(RETIRED)})\b", re.IGNORECASE)
# A Unix account that has the name of a retired word, in quotes or before a host.
ACCOUNT = re.compile(r"([\"'`])nobody\1|nobody@")
# `where` is for places; a condition is `if` or `when`. The word before says which of the two it is.
WHERE = re.compile(r"(?:(\w+)[,;:.]?[\"'`*)]*\s+)?\bwhere\b")
# At the beginning of a sentence: `Where it waits.` names a place, `Where it waits, nothing is sent.` a condition.
WHERE_FIRST = re.compile(r"\bWhere\b[^.,;:|]*,(?! (?:and|or|so|such)\b)")
MAY_SAY = re.compile(rf"(?i:{RETIRED_WORD.pattern})|\b[Ww]here\b")
PLACES = frozenset(
    {
        "about", "box", "choose", "column", "countries", "country", "depends", "field", "file", "find", "folder",
        "from", "is", "are", "was", "know", "knows", "line", "lines", "list", "machine", "of", "out", "page",
        "pages", "place", "places", "point", "points", "position", "remember", "remembers", "row", "said",
        "say", "says", "section", "see", "sees", "server", "show", "shows", "state", "table", "tell", "tells", "to",
    }
)  # fmt: skip
TALKS = ("tell", "ask", "answer")  # a function's name has the verb that it means: notify, fetch, query, report …
COMMON_NAMES = {"Meta", "Media", "Command", "Migration"}


def sources() -> Iterator[Source]:
    """Yield every source that people read."""
    for top in (*APPS, "tests"):
        yield from (source for source in sources_below(top) if GENERATED.isdisjoint(source.path.parts))


def pages() -> Iterator[Source]:
    """Yield every page and document that people read, by its text."""
    files = [path for top in (*APPS, "tests", "templates", "docs", "deploy") for path in (ROOT / top).rglob("*")]
    for path in sorted([*files, ROOT / "README.md", ROOT / "CHANGELOG.md"]):
        relative = path.relative_to(ROOT)
        if path.suffix in PAGES and GENERATED.isdisjoint(relative.parts) and path.is_file():
            yield Source(relative, path.read_text())


def findings(source: Source) -> Iterator[str]:
    """Yield what a file says against the rule, each with its line."""
    is_code = source.path.suffix == ".py"
    # Taking the prose out of code takes long: only of a file that may say something.
    if not is_code or MAY_SAY.search(source.text):
        for number, text in prose_of(source.text) if is_code else enumerate(source.text.splitlines(), 1):
            yield from (f"{source.path}:{number}: {said}" for said in against_the_rule(text))
    if is_code:
        yield from functions_against_the_rule(source)


def against_the_rule(text: str) -> Iterator[str]:
    for word in RETIRED_WORD.findall(ACCOUNT.sub("", text)):
        yield f"`{word}`: write {RETIRED[word.lower()]}"
    for before in WHERE.findall(text):
        if before.lower() not in PLACES:
            yield f"`{before} where`: write `if` or `when`, or name the place"
    for found in WHERE_FIRST.findall(text):
        yield f"`{found}`: write `If` or `When`"


def prose_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield comments and strings of Python source by line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in {tokenize.COMMENT, tokenize.STRING} or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            joined = re.sub(r"\s*\n\s*", " ", token.string)
            yield token.start[0], joined


def functions_against_the_rule(source: Source) -> Iterator[str]:
    path = source.path
    for node in source.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        first, *_ = (ast.get_docstring(node) or "Return").split() or [""]
        if first.strip(",;:.") not in IMPERATIVES:
            yield f"{path}:{node.lineno}: {node.name}: a docstring begins with a verb, not with `{first}`"
        if node.name.lstrip("_").partition("_")[0] in TALKS and path.parts[0] in APPS:
            yield f"{path}:{node.lineno}: {node.name}: name what it does: send, notify, fetch, query, report, return"


def test_no_file_breaks_the_rule_on_words() -> None:
    mine = Path(__file__).relative_to(ROOT)
    files = (file for read in (sources, pages) for file in read() if file.path != mine)
    assert [line for file in files for line in findings(file)] == []


@pytest.mark.parametrize(
    "source",
    [
        'def total():\n    """The total of it."""\n',
        'def total():\n    """Whether it is one."""\n',
        "# Made anew after a change.\n",
        "# None where it is missing.\n",
        "# Where nothing changed, nothing is sent.\n",
        'text = "It answers 404."\n',
        "def tell_owner(): ...\n",
    ],
)
def test_the_rule_sees_what_breaks_it(source: str) -> None:
    assert list(findings(Source(PurePath("billing/x.py"), source)))


def test_places_keep_their_where() -> None:
    assert not list(findings(Source(PurePath("billing/x.py"), '"""The page where customers pay."""\n')))


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for source in sources():
        for node in source.nodes(ast.ClassDef) if source.path.parts[0] in APPS else ():
            if node.name not in COMMON_NAMES:
                places[node.name].append(str(source.path))
    twice = {name: paths for name, paths in places.items() if len(paths) > 1}
    assert twice == {}
