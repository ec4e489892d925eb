"""The house's rule on words: docstrings begin with a verb, retired words stay retired, no name stands for two things.

`imperatives.txt` lists the verbs that a function's docstring may begin with. No file is excepted.
"""

import ast
import functools
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PRODUCT = ("accounts", "metering", "billing", "portal", "config")
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


def tracked_files() -> Iterator[PurePath]:
    """Yield every source, page and document that people read."""
    for top in (*PRODUCT, "tests", "templates", "docs", "deploy"):
        for path in sorted((ROOT / top).rglob("*")):
            relative = path.relative_to(ROOT)
            if path.suffix in {".py", *PAGES} and GENERATED.isdisjoint(relative.parts) and path.is_file():
                yield relative
    yield from (PurePath("README.md"), PurePath("CHANGELOG.md"))


def findings(path: PurePath, source: str) -> Iterator[str]:
    """Yield what a file says against the rule, each with its line."""
    prose = prose_of(source) if path.suffix == ".py" else enumerate(source.splitlines(), 1)
    for number, text in prose:
        for word in RETIRED_WORD.findall(ACCOUNT.sub("", text)):
            yield f"{path}:{number}: `{word}`: write {RETIRED[word.lower()]}"
        for before in WHERE.findall(text):
            if before.lower() not in PLACES:
                yield f"{path}:{number}: `{before} where`: write `if` or `when`, or name the place"
        for found in WHERE_FIRST.findall(text):
            yield f"{path}:{number}: `{found}`: write `If` or `When`"
    if path.suffix == ".py":
        yield from functions_against_the_rule(path, ast.parse(source))


def prose_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield comments and strings of Python source by line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in {tokenize.COMMENT, tokenize.STRING} or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            joined = re.sub(r"\s*\n\s*", " ", token.string)
            yield token.start[0], joined


def functions_against_the_rule(path: PurePath, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first, *_ = (ast.get_docstring(node) or "Return").split() or [""]
        if first.strip(",;:.") not in IMPERATIVES:
            yield f"{path}:{node.lineno}: {node.name}: a docstring begins with a verb, not with `{first}`"
        if node.name.lstrip("_").partition("_")[0] in TALKS and path.parts[0] in PRODUCT:
            yield f"{path}:{node.lineno}: {node.name}: name what it does: send, notify, fetch, query, report, return"


@functools.cache
def all_findings() -> dict[PurePath, list[str]]:
    mine = Path(__file__).relative_to(ROOT)
    return {path: list(findings(path, (ROOT / path).read_text())) for path in tracked_files() if path != mine}


def test_no_file_breaks_the_rule_on_words() -> None:
    assert [line for lines in all_findings().values() for line in lines] == []


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
    assert list(findings(PurePath("billing/x.py"), source))


@pytest.mark.parametrize("text", ["The page where customers pay.", "Where it is paid.", "Where it waits, and why."])
def test_places_keep_their_where(text: str) -> None:
    assert not list(findings(PurePath("billing/x.py"), f'"""{text}"""\n'))


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for path in tracked_files():
        if path.suffix == ".py" and path.parts[0] in PRODUCT:
            for node in ast.walk(ast.parse((ROOT / path).read_text())):
                if isinstance(node, ast.ClassDef) and node.name not in COMMON_NAMES:
                    places[node.name].append(str(path))
    twice = {name: paths for name, paths in places.items() if len(paths) > 1}
    assert twice == {}
