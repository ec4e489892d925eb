"""What could not be billed: put on record, so that nothing is passed over in silence, and resolved by a person."""

from datetime import datetime

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.errors import ConflictError
from accounts.services.audit import record_audit
from billing.models import BillingException
from billing.selectors.computation import Unbillable


def park(unbillable: Unbillable, *, as_of: datetime) -> None:
    """Put on record why a subscription is not billed; until it is resolved the subscription is passed over."""
    assert unbillable.state.subscription_id is not None, "a preview parks nobody"
    BillingException.objects.bulk_create(
        [
            BillingException(
                subscription_id=unbillable.state.subscription_id,
                code=unbillable.code,
                detail=unbillable.detail,
                occurred_at=as_of,
            )
        ],
        ignore_conflicts=True,
    )


@transaction.atomic
def resolve_exception(*, exception: BillingException, resolution: str, actor: Actor, as_of: datetime) -> None:
    """Let the subscription be billed again. Raises `ConflictError` where somebody resolved it before."""
    open_ones = BillingException.objects.filter(pk=exception.pk, resolved_at=None)
    if open_ones.update(resolved_at=as_of, resolved_by=actor.label, resolution=resolution[:200]) != 1:
        raise ConflictError("Somebody has resolved it before.")
    record_audit(
        actor=actor,
        action="billing_exception.resolved",
        tenant_id=exception.subscription.tenant_id,
        target_kind="billing_exception",
        target_id=exception.pk,
        target_label=exception.code,
        after={"resolution": resolution[:200]},
        as_of=as_of,
    )
