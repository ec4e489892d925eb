"""Tests are stored beside their sources.

`tests/billing/services/invoicing/test_drafting.py` tests `billing/services/invoicing/drafting.py`.

A second file about the same module adds words to its name (`test_drafting_batches.py`). A package may be tested as a
whole by `test_PACKAGE.py` beside it. Other files are listed in mirror_exceptions.txt, a list that only shrinks: an
entry that is no longer needed fails as well. Folders of stories are about no module and are left out.
"""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "billing", "config", "metering", "portal")
# In these rooms each module has a test file of its own.
TESTED_ROOMS = {"domain", "services", "selectors"}
# Folders of tests across modules.
STORIES = {"after_change", "log_lines"}
EXCEPTIONS = Path(__file__).with_name("mirror_exceptions.txt")


def sources() -> Iterator[Path]:
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            if path.name != "__init__.py" and not {"migrations", "djstripe_migrations"} & set(path.parts):
                yield path.relative_to(ROOT)


def files_of_tests() -> Iterator[Path]:
    for app in APPS:
        for path in (ROOT / "tests" / app).rglob("test_*.py"):
            if not STORIES & set(path.parts):
                yield path.relative_to(ROOT)


def names_tested_by(test: Path) -> Iterator[str]:
    """Yield the names that the file's own name begins with: `drafting_batches`, `drafting`."""
    words = test.stem.removeprefix("test_").split("_")
    for number in range(len(words), 0, -1):
        yield "_".join(words[:number])


def has_its_place(test: Path) -> bool:
    """Return whether the source of this test exists. A module of the tests counts, too."""
    place = ROOT / test.parent.relative_to("tests")
    for name in names_tested_by(test):
        if (place / f"{name}.py").exists() or (place / name).is_dir() or (ROOT / test.with_name(f"{name}.py")).exists():
            return True
    return False


def misplaced() -> set[str]:
    return {str(test) for test in files_of_tests() if not has_its_place(test)}


def untested() -> set[str]:
    tested = {(test.parent, name) for test in files_of_tests() for name in names_tested_by(test)}
    return {
        str(source)
        for source in sources()
        if TESTED_ROOMS & set(source.parts) and (Path("tests") / source.parent, source.stem) not in tested
    }


def test_tests_mirror_the_sources() -> None:
    exceptions = set(EXCEPTIONS.read_text().split())
    found = misplaced() | untested()
    assert found <= exceptions, f"neither mirrored nor an exception: {sorted(found - exceptions)}"
    assert exceptions <= found, f"no longer exceptions, so remove them: {sorted(exceptions - found)}"


def test_a_misplaced_test_is_detected() -> None:
    assert not has_its_place(Path("tests/billing/test_month.py"))
    assert not has_its_place(Path("tests/billing/services/test_money.py"))
    assert has_its_place(Path("tests/metering/domain/test_periods.py"))
    assert has_its_place(Path("tests/metering/domain/test_periods_at_the_poles.py"))
    assert has_its_place(Path("tests/metering/test_domain.py"))
