"""The packages of the product and what they import: no circle at any level, nothing upwards, none too large.

Import-linter's contracts say which room may import which. This test checks the whole graph, so that a package that did
not exist when the contracts were written is in it too. `python -m tests.architecture.test_import_graph` prints it.
"""

from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "metering", "billing", "portal", "config")  # lowest first
GENERATED = {"migrations", "djstripe_migrations"}


@cache
def product() -> grimp.ImportGraph:
    return grimp.build_graph(*APPS, exclude_type_checking_imports=True)


def packages() -> list[str]:
    return sorted({dotted(path) for app in APPS for path in (ROOT / app).rglob("__init__.py")})


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parent.parts)


def circle_among(members: set[str], graph: grimp.ImportGraph) -> list[str]:
    """Return one circle of imports among these packages with all that they hold, or nothing."""
    owner = {module: member for member in members for module in {member, *graph.find_descendants(member)}}
    imports: dict[str, set[str]] = {member: set() for member in members}
    for module, member in owner.items():
        found = {owner.get(imported) for imported in graph.find_modules_directly_imported_by(module)}
        imports[member] |= {other for other in found if other and other != member}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("package", packages())
def test_the_parts_of_a_package_import_one_another_in_no_circle(package: str) -> None:
    assert not circle_among(product().find_children(package), product())


def upward_imports() -> set[str]:
    """Return what an app imports of the apps above it."""
    found = set()
    for position, app in enumerate(APPS):
        modules = {app, *product().find_descendants(app)}
        imported = {target for module in modules for target in product().find_modules_directly_imported_by(module)}
        found |= {f"{app}: {target}" for target in imported if target.split(".")[0] in APPS[position + 1 :]}
    return found


def test_the_apps_import_downwards_only() -> None:
    assert not circle_among(set(APPS), product())
    assert not upward_imports()


def lines_of(app: str, apps: set[str]) -> int:
    """Count the lines of an app, without those of the apps nested in it and without generated ones."""
    nested = [ROOT / other.replace(".", "/") for other in apps if other.startswith(f"{app}.")]
    return sum(
        len(path.read_text().splitlines())
        for path in (ROOT / app.replace(".", "/")).rglob("*.py")
        if not GENERATED & set(path.parts) and not any(path.is_relative_to(folder) for folder in nested)
    )


def lines_by_app() -> dict[str, int]:
    nested = {dotted(path) for app in APPS for path in (ROOT / app).rglob("apps.py")}
    apps = {*APPS, *nested}
    return {app: lines_of(app, apps) for app in apps}


def test_no_app_holds_more_than_a_quarter_of_the_product() -> None:
    lines = lines_by_app()
    assert max(lines.values()) <= sum(lines.values()) // 4, lines


def test_a_circle_is_seen() -> None:
    planted = grimp.ImportGraph()
    planted.add_import(importer="house.one", imported="house.two.cellar")
    planted.add_import(importer="house.two", imported="house.one")
    assert circle_among({"house.one", "house.two"}, planted)


if __name__ == "__main__":
    groups = [set(APPS), *(product().find_children(package) for package in packages())]
    circles = [circle for group in groups if (circle := circle_among(group, product()))]
    lines = lines_by_app()
    largest, share = max(lines, key=lines.__getitem__), 100 * max(lines.values()) / sum(lines.values())
    print(
        f"{len(circles)} circles among {len(packages())} packages, {len(upward_imports())} upward imports between apps"
    )
    print(f"{largest} is the largest of {len(lines)} apps, with {share:.1f} % of the product's lines")
