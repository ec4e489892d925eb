"""The folder of a template says whose it is: an app of ours, or `overrides` for what replaces another project's."""

from importlib.util import find_spec
from pathlib import Path

from django.conf import settings
from django.template.loader import get_template

TEMPLATES = Path(settings.BASE_DIR) / "templates"
OTHERS = ("allauth", "unfold", "django.contrib.admin", "drf_spectacular")


def names_of_others() -> set[str]:
    names: set[str] = set()
    for package in OTHERS:
        spec = find_spec(package)
        assert spec is not None
        for folder in spec.submodule_search_locations or ():
            root = Path(folder) / "templates"
            names |= {path.relative_to(root).as_posix() for path in root.rglob("*.*")}
    return names


def test_each_override_replaces_something() -> None:
    overrides = {
        path.relative_to(TEMPLATES / "overrides").as_posix() for path in (TEMPLATES / "overrides").rglob("*.*")
    }
    assert overrides
    assert overrides <= names_of_others()
    for name in overrides:
        assert str(TEMPLATES / "overrides") in get_template(name).origin.name


def test_our_own_templates_replace_none_of_others() -> None:
    # Django's own names for error pages are at the top.
    ours = {path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.*") if "overrides" not in path.parts}
    assert not ours & names_of_others()
