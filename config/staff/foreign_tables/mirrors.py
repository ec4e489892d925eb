"""Read-only copies of payment providers' objects: the tables that each provider names."""

from django.apps import apps
from django.contrib import admin

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.admin.records import as_block
from billing.collection.domain.provider import MirroredModel
from billing.collection.selectors.providers import described_providers

SHOWN = [mirrored for _, description in described_providers() for mirrored in description.mirror]


class MirrorAdmin(ReadOnlyModelAdmin):
    """Objects as their provider last described them."""

    search_fields = ("id",)
    readonly_fields = ("described",)
    mirrored: MirroredModel

    @admin.display(description="As the provider describes it")
    def described(self, row: object) -> str:
        """Return the whole object."""
        return as_block(getattr(row, self.mirrored.attribute, {}))


# The library's own pages, and those of its tables of keys and webhook secrets, are not in the admin.
_libraries = {mirrored.label.partition(".")[0] for mirrored in SHOWN}
for _model in [model for model in admin.site._registry if model._meta.app_label in _libraries]:  # noqa: SLF001 - all that are registered
    admin.site.unregister(_model)
for _mirrored in SHOWN:
    _facts = {
        "mirrored": _mirrored,
        "list_display": _mirrored.columns,
        "list_filter": _mirrored.filters,
        "fields": (*_mirrored.columns, "described"),
    }
    admin.site.register(apps.get_model(_mirrored.label), type("MirrorAdmin", (MirrorAdmin,), _facts))
