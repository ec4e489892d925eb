"""Print the names that templates and strings use, as Python that vulture reads as uses: `make check` calls it.

A property may be used by a template alone, a task by its dotted path alone, a column of the admin by its name in a
tuple.
"""

import ast
import re
from collections.abc import Iterator
from keyword import iskeyword
from pathlib import Path
from typing import Final

APPS: Final = ("accounts", "billing", "config", "metering", "portal")
_CODE_IN_TEMPLATE: Final = re.compile(r"{{.*?}}|{%.*?%}|\s:[\w.-]+=\"[^\"]*\"", re.DOTALL)
_WORD: Final = re.compile(r"[A-Za-z_]\w*")


def names_in_templates() -> Iterator[str]:
    for template in Path("templates").rglob("*.*"):
        for code in _CODE_IN_TEMPLATE.findall(template.read_text()):
            yield from _WORD.findall(code)


def names_in_strings() -> Iterator[str]:
    """Yield the names in strings without spaces: paths, columns, look-ups over relations."""
    for source in (path for app in APPS for path in Path(app).rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and not re.search(r"\s", node.value):
                for word in _WORD.findall(node.value):
                    yield from (word, *word.split("__"))


def names_in_grammars() -> Iterator[str]:
    """Yield the methods that a grammar of lark names: `-> sum`."""
    for app in APPS:
        for source in Path(app).rglob("syntax.py"):
            yield from re.findall(r"-> (\w+)$", source.read_text(), re.MULTILINE)


def names_in_settings() -> Iterator[str]:
    """Yield the names that Django reads from the settings, since no code shows which of them are used."""
    yield from _WORD.findall(Path("config/settings.py").read_text())


if __name__ == "__main__":
    names = {*names_in_templates(), *names_in_strings(), *names_in_grammars(), *names_in_settings()}
    print("\n".join(f"_.{name}" for name in sorted(names) if name.isidentifier() and not iskeyword(name)))
