"""An invariant is a named database constraint, and some test names it to break it."""

from pathlib import Path

from django.apps import apps
from django.db import models

TESTS = Path(__file__).resolve().parents[1]
OUR_APPS = (
    "accounts",
    "notices",
    "exports",
    "metering",
    "alerts",
    "lake",
    "proofs",
    "billing",
    "ledger",
    "collection",
    "desk",
    "dunning",
    "banking",
)


def named_constraints() -> dict[str, str]:
    return {
        constraint.name: model._meta.label
        for app in OUR_APPS
        for model in apps.get_app_config(app).get_models()
        for constraint in model._meta.constraints
    }


def test_every_named_constraint_is_broken_by_a_test() -> None:
    tested = "\n".join(path.read_text() for path in TESTS.rglob("*.py"))
    untested = [f"{model}: {name}" for name, model in sorted(named_constraints().items()) if name not in tested]
    assert not untested, "no test names these constraints:\n" + "\n".join(untested)


def test_no_field_counts_in_floating_point() -> None:
    floats = [
        str(field)
        for app in OUR_APPS
        for model in apps.get_app_config(app).get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.Field) and field.get_internal_type() == "FloatField"
    ]
    assert not floats
