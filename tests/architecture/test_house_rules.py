"""The house's rules that no linter states, read from the syntax tree of the sources.

Each rule comes with a piece of code that breaks it, so that a rule which no longer detects anything fails here too. An
exception is a change of this file, which a reviewer sees.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import PurePath

import pytest

from tests.architecture.sources import Source, product

APPS_WITH_TABLES = {"accounts", "metering", "billing"}
NESTED_APPS = {
    "collection": "billing",
    "desk": "billing",
    "dunning": "billing",
    "evidence": "billing",
    "banking": "billing",
    "taxation": "billing",
    "taxlaw": "billing",
    "verification": "billing",
    "conservation": "billing",
    "ledger": "billing",
    "rendering": "billing",
    "keys": "accounts",
    "exports": "accounts",
    "notices": "accounts",
    "webhooks": "accounts",
    "channels": "accounts",
    "alerts": "metering",
    "lake": "metering",
    "proofs": "metering",
}  # in which app, with rooms of their own below

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
ROOMS_OF_CONFIG = {"staff", "operations", "workbench"}
OUTERMOST_ROOMS = {"api", "admin", "tasks", "management", "checks", "portal", "config"} | ROOMS_OF_CONFIG
# A gateway writes to the outside world; the import contracts keep it away from our tables. Operations keep the queue.
ROOMS_THAT_WRITE = {"services", "models", "querysets", "gateways", "operations", "workbench"}
ROOMS_WITH_FLOATS = {
    "gateways",
    "management",
} | ROOMS_OF_CONFIG  # they wait, time and draw, and count nothing themselves
WRITES = {"save", "bulk_create", "bulk_update", "get_or_create", "update_or_create", "delete"}
QUERIES = {"filter", "exclude", "all", "select_for_update"}
WRITES_IN_SQL = re.compile(
    r"\b(?:(?:INSERT|MERGE)\s+INTO|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?|UPDATE(?=\s+(?:ONLY\s+)?\S+\s+(?:AS\s+\w+\s+)?SET\b))"
    r"\s+(?:ONLY\s+)?(?!ON\b)(?P<table>[\w{}]+)"
)
NOT_TABLES = {"cache", "session", "form", "super", "change"}  # have methods of the same names
RETIRED_CLASSES = {"Client", "Payer", "Account", "Customer", "BillItem", "UsageLog", "Refund"}  # see the glossary
RETIRED_MODULES = {"utils", "util", "helpers", "common", "managers", "misc"}  # say nothing of what is inside

WRITES_NUMBERS = "accounts/domain/numbers.py"

Rule = Callable[[Source], Iterator[str]]


def room_of(path: PurePath) -> str:
    app, *rest = path.with_suffix("").parts
    if app == "portal":
        return app
    if app == "config":
        return rest[0] if rest[0] in ROOMS_OF_CONFIG and len(rest) > 1 else app
    return rest[1] if rest[0] in NESTED_APPS and len(rest) > 1 else rest[0]


def functions_fit_a_screen(source: Source) -> Iterator[str]:
    for node in source.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield f"{node.lineno}: {node.name} has {lines} lines"


def files_stay_small(source: Source) -> Iterator[str]:
    if (lines := len(source.text.splitlines())) > FILE_LINES_MAX:
        yield f"1: the file has {lines} lines"


def modules_say_what_they_are_for(source: Source) -> Iterator[str]:
    if source.path.name != "__init__.py" and not ast.get_docstring(source.tree):
        yield "1: no docstring"


def only_the_outermost_rooms_ask_the_clock(source: Source) -> Iterator[str]:
    if room_of(source.path) in OUTERMOST_ROOMS:
        return
    for node in source.nodes(ast.Call):
        match node:
            case (
                ast.Call(func=ast.Attribute(attr="now" | "today" | "utcnow" | "localdate" | "localtime"))
                | ast.Call(func=ast.Attribute(attr="time", value=ast.Name(id="time")))
            ):
                yield f"{node.lineno}: {ast.unparse(node)} asks the clock; take `as_of`"


def quantities_are_exact(source: Source) -> Iterator[str]:
    if room_of(source.path) in ROOMS_WITH_FLOATS:
        return
    for node in source.nodes(ast.Constant, ast.Call):
        match node:
            case ast.Constant(value=float()):
                yield f"{node.lineno}: {node.value!r} is a float"
            case ast.Call(func=ast.Name(id="float" | "round" as name)):
                yield f"{node.lineno}: {name}() is not exact"


def only_services_write(source: Source) -> Iterator[str]:
    if room_of(source.path) in ROOMS_THAT_WRITE:
        return
    for node in source.nodes(ast.Call):
        match node:
            case ast.Call(func=ast.Attribute(attr=verb, value=receiver)) if verb in WRITES:
                if first_name(receiver) not in NOT_TABLES:
                    yield f"{node.lineno}: .{verb}() outside services"
            case ast.Call(func=ast.Attribute(attr="create", value=ast.Attribute(attr="objects"))):
                yield f"{node.lineno}: .objects.create() outside services"
            case ast.Call(func=ast.Attribute(attr="update", value=ast.Call(func=ast.Attribute(attr=query)))):
                if query in QUERIES:
                    yield f"{node.lineno}: .{query}(…).update() outside services"


def only_services_write_in_sql(source: Source) -> Iterator[str]:
    if room_of(source.path) in {"services", "gateways"}:
        return
    for line, found in writes_in_sql(source):
        yield f"{line}: {' '.join(found[0].split())} outside services"


def an_app_writes_its_own_tables(source: Source) -> Iterator[str]:
    if source.path.parts[0] not in APPS_WITH_TABLES:
        return
    for line, found in writes_in_sql(source):
        prefix = found["table"].partition("_")[0]
        prefix = NESTED_APPS.get(prefix, prefix)
        owner = prefix if prefix in APPS_WITH_TABLES else "metering"  # the ledger's tables have no prefix
        if owner != source.path.parts[0] and "{" not in found["table"]:
            yield f"{line}: {' '.join(found[0].split())} in {source.path.parts[0]}; call a service of {owner}"


def writes_in_sql(source: Source) -> Iterator[tuple[int, re.Match[str]]]:
    for node in source.nodes(ast.JoinedStr, ast.Constant):
        match node:
            case ast.JoinedStr(values=parts):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
            case ast.Constant(value=str(text)):
                pass
            case _:
                continue
        for found in WRITES_IN_SQL.finditer(text):
            yield node.lineno, found


def first_name(node: ast.expr) -> str:
    """Return the name that a chain of attributes and calls ends in: `form` of `self.form.save()`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=function):
            return first_name(function)
    return ""


def retired_words_stay_retired(source: Source) -> Iterator[str]:
    if source.path.stem in RETIRED_MODULES:
        yield f"1: a module called {source.path.stem}"
    for node in source.nodes(ast.ClassDef):
        if node.name in RETIRED_CLASSES:
            yield f"{node.lineno}: a class called {node.name}"


def numbers_have_one_look(source: Source) -> Iterator[str]:
    # A command counts on a terminal, and the fake Stripe's pages look like Stripe's.
    if source.path.as_posix() == WRITES_NUMBERS or {"management", "fakestripe"} & set(source.path.parts):
        return
    for node in source.nodes(ast.FormattedValue, ast.ImportFrom):
        match node:
            case ast.FormattedValue(format_spec=ast.JoinedStr() as spec) if "," in ast.unparse(spec):
                yield f"{node.lineno}: groups digits; call `accounts.domain.numbers`"
            case ast.ImportFrom(module="babel.numbers"):
                yield f"{node.lineno}: formats numbers; call `accounts.domain.numbers`"


# Each rule with a file that breaks it.
RULES: dict[Rule, tuple[str, str]] = {
    functions_fit_a_screen: ("accounts/services/keys.py", "def f():\n" + "    pass\n" * FUNCTION_LINES_MAX),
    files_stay_small: ("accounts/services/keys.py", "x = 1\n" * (FILE_LINES_MAX + 1)),
    modules_say_what_they_are_for: ("accounts/services/keys.py", "x = 1\n"),
    only_the_outermost_rooms_ask_the_clock: ("metering/services/ingest.py", "expires_at = timezone.now()"),
    quantities_are_exact: ("metering/domain/quantity.py", "half = total * 0.5"),
    only_services_write: ("portal/views/keys.py", "ApiKey.objects.filter(id=1).update(name='x')"),
    only_services_write_in_sql: ("metering/selectors/usage.py", "FORGET = 'DELETE FROM usage_hour'"),
    an_app_writes_its_own_tables: ("billing/services/alerts.py", "FORGET = 'DELETE FROM usage_hour'"),
    numbers_have_one_look: ("portal/views/keys.py", "shown = f'{total:,}'"),
    retired_words_stay_retired: ("accounts/services/keys.py", "class Client: ..."),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_sources_keep_the_rule(rule: Rule) -> None:
    violations = [f"{source.path}:{message}" for source in product() for message in rule(source)]
    assert not violations, "\n".join(violations)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_detects_a_violation(rule: Rule) -> None:
    path, text = RULES[rule]
    assert list(rule(Source(PurePath(path), text)))


@pytest.mark.parametrize(
    "source",
    [
        "ApiKey(name='x').save()",
        "tenant.delete()",
        "Tenant.objects.create(name='x')",
        "x.select_for_update().update(a=1)",
    ],
)
def test_every_way_to_write_is_detected(source: str) -> None:
    assert list(only_services_write(Source(PurePath("portal/views/keys.py"), source)))


@pytest.mark.parametrize(
    "statement",
    [
        "WITH a AS (SELECT 1) INSERT INTO usage_hour (hour) SELECT 1",
        "UPDATE usage_hour SET quantity = 0",
        "UPDATE ONLY usage_hour AS u SET quantity = 0",
        "DELETE  FROM usage_hour",
        "TRUNCATE usage_hour",
        "TRUNCATE TABLE usage_hour",
        "MERGE INTO usage_hour",
    ],
)
@pytest.mark.parametrize("quoted", ["'{}'", "f'{{x}} {}'", "sql.SQL('''{}''')"])
def test_every_way_to_write_in_sql_is_detected(statement: str, quoted: str) -> None:
    source = Source(PurePath("metering/selectors/usage.py"), quoted.format(statement))
    assert list(only_services_write_in_sql(source))


@pytest.mark.parametrize(
    "text", ["SELECT 1 FROM t FOR UPDATE SKIP LOCKED", "REVOKE DELETE, TRUNCATE ON t FROM r", "No UPDATE, no DELETE."]
)
def test_sql_that_only_reads_is_accepted(text: str) -> None:
    source = repr(text)
    assert not list(only_services_write_in_sql(Source(PurePath("metering/selectors/usage.py"), source)))


@pytest.mark.parametrize(
    "source", ["cache.delete('x')", "self.form.save()", "{}.update(a=1)", "request.session.save()"]
)
def test_code_that_only_looks_like_a_write_is_accepted(source: str) -> None:
    assert not list(only_services_write(Source(PurePath("portal/views/keys.py"), source)))
