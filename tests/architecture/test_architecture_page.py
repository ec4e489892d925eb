"""`docs/architecture.md` agrees with the code: each name resolves, each step of a walk is called by an earlier one."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
APPS = ("accounts", "metering", "billing", "portal", "config")
QUOTED = re.compile(r"`([^`\n]+)`")
NAME = re.compile(rf"(?:{'|'.join(APPS)})(?:\.\w+)*")
PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")
WALK = re.compile(r"^## (A walk: [^\n]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^\d+\. `([\w.]+)`", re.MULTILINE)


def resolve(name: str) -> object:
    """Return the module, or what a module holds under this name.

    Raise `ImportError` or `AttributeError` if there is none.
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            if error.name != ".".join(parts[:length]):
                raise
            continue
        for attribute in parts[length:]:
            found = getattr(found, attribute)
        return found
    raise ImportError(name)


def module_of(name: str) -> str:
    """Return the source of the module of a step."""
    return inspect.getsource(inspect.getmodule(resolve(name)))  # type: ignore[arg-type]  # a step is a function or a class


def quoted(pattern: re.Pattern[str]) -> list[str]:
    return sorted({text for text in QUOTED.findall(PAGE) if pattern.fullmatch(text)})


@pytest.mark.parametrize("name", quoted(NAME))
def test_a_name_on_the_page_resolves(name: str) -> None:
    resolve(name)


@pytest.mark.parametrize("path", [text for text in quoted(PATH) if "/" in text])
def test_a_path_on_the_page_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("title", "walk"), WALK.findall(PAGE), ids=[title for title, _ in WALK.findall(PAGE)])
def test_each_step_of_a_walk_is_called_by_an_earlier_one(title: str, walk: str) -> None:
    steps = STEP.findall(walk)
    assert len(steps) > 1, title
    for position, step in enumerate(steps[1:], start=1):
        called = step.rpartition(".")[2]
        assert any(re.search(rf"\b{called}\b", module_of(earlier)) for earlier in steps[:position]), step


def test_the_page_has_five_walks() -> None:
    told = {title.split()[-1] for title, _ in WALK.findall(PAGE)}
    assert told == {"event", "close", "webhook", "alert", "key"}


@pytest.mark.parametrize("name", ["billing.services.nothing", "accounts.sql.fetch_none"])
def test_a_missing_name_is_detected(name: str) -> None:
    with pytest.raises((ImportError, AttributeError)):
        resolve(name)
