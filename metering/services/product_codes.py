"""Product codes: the names under which other systems bill, each mapped to an event type."""

from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.errors import InvalidFieldsError
from metering.domain.codes import product_code_errors
from metering.errors import CodeTakenError
from metering.models import EventType, ProductCode
from metering.selectors.product_codes import forget_product_codes
from metering.services.catalog_changes import event_type_named, record_change

_KIND: Final = "product_code"


def create_product_code(*, code: str, event_type: str, actor: Actor, as_of: datetime) -> ProductCode:
    """Map a product code to an event type. Billing events may name it within a second.

    Raises `InvalidFieldsError`, and `CodeTakenError` also if an event type has this code: it needs no mapping.
    """
    if faults := tuple(product_code_errors(code)):
        raise InvalidFieldsError("The product code cannot be saved.", field_errors=faults)
    with transaction.atomic():
        target = event_type_named(event_type)
        if EventType.objects.filter(code=code).exists():
            raise CodeTakenError(f"The event type {code} has this code: billing events may name it as it is.")
        try:
            with transaction.atomic():
                created = ProductCode.objects.create(code=code, event_type=target, created_at=as_of)
        except IntegrityError as error:
            raise CodeTakenError(f"The product code {code} already exists.") from error
        record_change(created, _KIND, "created", before={}, after={"event_type": target.code}, actor=actor, as_of=as_of)
    forget_product_codes()
    return created


def update_product_code(*, product_code: ProductCode, event_type: str, actor: Actor, as_of: datetime) -> ProductCode:
    """Map a product code to another event type. Events that are stored keep theirs. Raises `InvalidFieldsError`."""
    with transaction.atomic():
        current = (
            ProductCode.objects.select_for_update(of=("self",)).select_related("event_type").get(pk=product_code.pk)
        )
        target, before = event_type_named(event_type), current.event_type.code
        if target.code != before:
            ProductCode.objects.filter(pk=current.pk).update(event_type=target)
            current.event_type = target
            record_change(
                current,
                _KIND,
                "updated",
                before={"event_type": before},
                after={"event_type": target.code},
                actor=actor,
                as_of=as_of,
            )
    forget_product_codes()
    return current


def delete_product_code(*, product_code: ProductCode, actor: Actor, as_of: datetime) -> None:
    """Delete a mapping: billing events that name the code are refused from now on."""
    with transaction.atomic():
        before = {"event_type": product_code.event_type.code}
        record_change(product_code, _KIND, "deleted", before=before, after={}, actor=actor, as_of=as_of)
        ProductCode.objects.filter(pk=product_code.pk).delete()
    forget_product_codes()
