"""The sections that apps add to a tenant's page in the staff admin.

A section is one class in an app's admin package, decorated with `register_tenant_section`. The page calls its sections
through this interface; accounts knows none of them by name.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final, TypeVar

from django.contrib.admin.options import InlineModelAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.admin.base import StaffModelAdmin
from accounts.models import Tenant


class TenantSection:
    """One app's part of the page. A subclass lists the names it offers; each name is one of its methods."""

    place: ClassVar[int]  # the order of buttons and columns; tabs are in reverse order, money first
    buttons: ClassVar[Sequence[str]] = ()
    buttons_below_more: ClassVar[Sequence[str]] = ()
    list_actions: ClassVar[Sequence[str]] = ()
    columns: ClassVar[Sequence[str]] = ()
    filters: ClassVar[Sequence[str]] = ()
    select_related: ClassVar[Sequence[str]] = ()
    inlines: "ClassVar[Sequence[type[InlineModelAdmin[Any, Any]]]]" = ()

    actions_submit_line: ClassVar[Sequence[str]] = ()  # unfold's decorator looks for it beside an action

    def __init__(self, page: StaffModelAdmin) -> None:
        """Keep `page`, whose confirmation pages and messages the section uses."""
        self.page = page

    def hidden_buttons(self, tenant: Tenant) -> Iterable[str]:  # noqa: ARG002 - for subclasses
        """Return the buttons to hide for this tenant."""
        return ()

    def tabs(self, tenant: Tenant | None) -> Sequence[type[Any]]:  # noqa: ARG002 - for subclasses
        """Return the inlines shown as tabs of this tenant's page."""
        return self.inlines

    def above_form(self, tenant: Tenant) -> SafeString | str:  # noqa: ARG002 - for subclasses
        """Render what is shown above the form."""
        return ""

    def annotate(self, tenants: QuerySet[Any]) -> QuerySet[Any]:
        """Add the values that the columns are sorted by."""
        return tenants

    def fill_rows(self, tenants: Sequence[Tenant]) -> None:
        """Load what the columns need for all rows of a list page at once."""

    def has_change_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:  # noqa: ARG002 - unfold's signature
        """Return whether the user may change tenants."""
        return bool(self.page.has_change_permission(request))

    @property
    def actions_detail(self) -> list[str]:
        """Return the section's own buttons, for unfold's decorator."""
        return [*self.buttons, *self.buttons_below_more]

    def _extract_action_names(self, actions: Iterable[str]) -> list[str]:
        """Return the names, for unfold's decorator."""
        return list(actions)

    def offers(self, name: str) -> bool:
        """Return whether the section has this name: a button, or the permission that a button needs."""
        is_permission = name.startswith("has_") and name.endswith("_permission")
        return name in self.actions_detail or (is_permission and name in vars(type(self)))

    def methods(self, names: Sequence[str]) -> list[Callable[..., Any]]:
        """Return the methods with these names."""
        return [getattr(self, name) for name in names]


_registered: Final[list[type[TenantSection]]] = []
Section = TypeVar("Section", bound=type[TenantSection])


def register_tenant_section(section: Section) -> Section:
    """Register a section of the tenant's page."""
    _registered.append(section)
    return section


def sections_of(page: StaffModelAdmin) -> list[TenantSection]:
    """Return the page's sections, ordered by place."""
    return [section(page) for section in sorted(_registered, key=lambda section: section.place)]
