"""Each kind of notice is in the registry: one that is not would have no name, no page, and no choice."""

import ast

from config.notice_kinds import NOTICE_KINDS
from tests.architecture.sources import ROOT
from tests.architecture.test_mirror import sources


def test_every_kind_of_notice_is_registered() -> None:
    declared = {
        f"{'.'.join(path.with_suffix('').parts)}.{name}"
        for path in sources()
        if "MailKind(" in (text := (ROOT / path).read_text())
        for name in kinds_in(text)
    }

    assert declared
    assert declared - set(NOTICE_KINDS) == set(), "add it to config/notice_kinds.py"


def kinds_in(text: str) -> list[str]:
    """Return the names of the kinds that a module declares as constants."""
    constants = [node for node in ast.parse(text).body if isinstance(node, ast.AnnAssign)]
    return [
        node.target.id
        for node in constants
        if isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "MailKind"
    ]
