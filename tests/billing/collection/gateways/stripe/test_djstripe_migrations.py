"""Our one migration of dj-stripe's tables agrees with dj-stripe's models and with its own chain of migrations."""

from django.apps import apps
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from pytest_django import Settings

from billing.collection.gateways.stripe.djstripe_migrations import _together


def written(model: ModelState) -> dict[str, object]:
    """Return a model's fields, options and bases in a form that compares. The order of columns is ignored."""
    fields = {name: MigrationWriter.serialize(field.clone())[0] for name, field in model.fields.items()}
    options = {key: value for key, value in model.options.items() if value and key != "abstract"}
    return {"fields": fields, "options": options, "bases": [str(base) for base in model.bases]}


def djstripe_models(state: ProjectState) -> dict[str, dict[str, object]]:
    return {name: written(model) for (label, name), model in state.models.items() if label == "djstripe"}


def test_no_migration_of_djstripe_is_missing() -> None:
    loader = MigrationLoader(None)
    changes = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps)).changes(loader.graph)
    assert "djstripe" not in changes


def test_the_squashed_migration_ends_where_the_shipped_chain_ends(settings: Settings) -> None:
    squashed = djstripe_models(MigrationLoader(None).project_state())
    settings.MIGRATION_MODULES = {}
    shipped_loader = MigrationLoader(None)
    assert len([key for key in shipped_loader.disk_migrations if key[0] == "djstripe"]) > 1
    assert squashed == djstripe_models(shipped_loader.project_state())


def test_the_djstripe_migration_depends_on_the_tenant_only() -> None:
    migration = MigrationLoader(None).disk_migrations["djstripe", "0001_initial"]
    assert migration.dependencies == [("accounts", "0001_initial")]
    (together,) = migration.operations
    assert isinstance(together, _together.CreateTogether)
