"""The admin of event types and product codes."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from accounts.admin.base import StaffModelAdmin, staff_actor
from metering.models import EventType, ProductCode
from metering.services.event_types import create_event_type, update_event_type
from metering.services.product_codes import create_product_code, delete_product_code, update_product_code


@admin.register(EventType)
class EventTypeAdmin(StaffModelAdmin):
    """The admin of event types."""

    list_display = ("code", "name", "meter_total", "description")
    search_fields = ("code", "name")
    fields = ("code", "name", "description")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return event types with the number of their meters."""
        event_types: QuerySet[Any] = super().get_queryset(request).annotate(meters_fed=Count("meters"))
        return event_types

    @display(description="Meters", ordering="meters_fed")
    def meter_total(self, event_type: Any) -> int:
        """Return how many meters count events of this type."""
        return int(event_type.meters_fed)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Return the code of a stored event type: clients send it, so it must not change."""
        return ("code",) if obj else tuple(super().get_readonly_fields(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: the ledger names event types by their code."""
        return False

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """Write nothing: the services that this page calls write the entries."""

    def save_model(
        self,
        request: HttpRequest,
        obj: EventType,
        form: "forms.ModelForm[EventType]",  # noqa: ARG002 - Django's signature
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save through the service, which writes the audit entry."""
        called = {"name": obj.name, "description": obj.description}
        actor, as_of = staff_actor(request), timezone.now()
        if change:
            update_event_type(event_type=obj, actor=actor, as_of=as_of, **called)
        else:
            made = create_event_type(code=obj.code, actor=actor, as_of=as_of, **called)
            obj.pk, obj._state.adding = made.pk, False  # noqa: SLF001 - Django documents it


class ProductCodeForm(forms.ModelForm):  # type: ignore[type-arg]  # as above
    """The form of a product code. It shows what the service would refuse before it calls the service."""

    class Meta:
        model = ProductCode
        fields = ("code", "event_type")

    def clean_code(self) -> str:
        """Refuse the code of an event type."""
        code = str(self.cleaned_data["code"])
        if EventType.objects.filter(code=code).exists():
            raise ValidationError("An event type has this code: billing events may name it as it is.")
        return code


@admin.register(ProductCode)
class ProductCodeAdmin(StaffModelAdmin):
    """The admin of product codes."""

    form = ProductCodeForm
    list_display = ("code", "event_type", "created_at")
    list_select_related = ("event_type",)
    search_fields = ("code", "event_type__code")
    autocomplete_fields = ("event_type",)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Return the code of a stored product code: other systems send it, so it does not change."""
        return ("code",) if obj else tuple(super().get_readonly_fields(request, obj))

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """Write nothing: the services that this page calls write the entries."""

    def save_model(
        self,
        request: HttpRequest,
        obj: ProductCode,
        form: ProductCodeForm,  # noqa: ARG002 - Django's signature
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save through the service, which writes the audit entry."""
        actor, as_of, event_type = staff_actor(request), timezone.now(), obj.event_type.code
        if change:
            update_product_code(product_code=obj, event_type=event_type, actor=actor, as_of=as_of)
        else:
            made = create_product_code(code=obj.code, event_type=event_type, actor=actor, as_of=as_of)
            obj.pk, obj._state.adding = made.pk, False  # noqa: SLF001 - Django documents it

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """Delete through the service, which writes the audit entry."""
        assert isinstance(obj, ProductCode), "the page is of product codes"
        delete_product_code(product_code=obj, actor=staff_actor(request), as_of=timezone.now())
