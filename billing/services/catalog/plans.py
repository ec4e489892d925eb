"""Making plans and their versions.

A version is written whole, once; to change a price is to publish the next version.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.errors import ConflictError, FieldError, InvalidFieldsError
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.changes import differing, update_changed
from billing.domain.plan_terms import PriceOffer, VersionOffer, check_offer, check_plan, digest_of
from billing.domain.prices import MODEL_OF, PriceKind, write_terms
from billing.errors import PlanExistsError
from billing.models import Plan, PlanVersion, Price
from metering.domain.aggregations.registry import DIVISIBLE_CODES, aggregation_named
from metering.errors import UnknownMeterError
from metering.models import Meter, UsagePlan

SETTINGS = frozenset({"name", "description", "mark", "features", "is_public", "position"})


class PlanLook(TypedDict, total=False):
    """How a plan is shown on the pricing page."""

    description: str
    mark: str
    features: str
    is_public: bool
    position: int


def create_plan(*, code: str, name: str, actor: Actor, as_of: datetime, **look: Unpack[PlanLook]) -> Plan:
    """Create a plan; it is for sale once it has a version. Raises `InvalidFieldsError`, `PlanExistsError`."""
    shown = _stripped({"name": name, "position": 0, **look})
    _check(code, shown)
    try:
        with transaction.atomic():
            plan = Plan.objects.create(code=code, created_at=as_of, **shown)
            _record(plan, "plan.created", before={}, actor=actor, as_of=as_of)
    except IntegrityError as error:
        raise PlanExistsError(f"There is a plan {code} already.") from error
    return plan


def update_plan(*, plan: Plan, changes: Mapping[str, object], actor: Actor, as_of: datetime) -> Plan:
    """Change how a plan is shown, by name: its prices stand in its versions. Raises `InvalidFieldsError`."""
    assert set(changes) <= SETTINGS, f"no settings of a plan: {set(changes) - SETTINGS}"
    changes = _stripped(changes)
    _check(plan.code, {"name": plan.name, "position": 0, **changes})
    with transaction.atomic():
        current = Plan.objects.select_for_update().get(pk=plan.pk)
        changed = differing(current, changes)
        if changed:
            before = _described(current)
            update_changed(current, changed)
            _record(current, "plan.updated", before=before, actor=actor, as_of=as_of)
    return current


def archive_plan(*, plan: Plan, actor: Actor, as_of: datetime) -> None:
    """Sell a plan no longer; who has it keeps it. A second time changes nothing."""
    with transaction.atomic():
        if Plan.objects.filter(pk=plan.pk, archived_at=None).update(archived_at=as_of):
            _record(plan, "plan.archived", before={}, actor=actor, as_of=as_of)


def publish_version(
    *, plan: Plan, offer: VersionOffer, actor: Actor, as_of: datetime, expected_number: int | None = None
) -> PlanVersion:
    """Sell a plan at these prices from now on; tenants on an older version keep it.

    `expected_number` is the number that the new version should get.

    Raises `InvalidFieldsError`, `UnknownMeterError`, and `ConflictError` if another version was published meanwhile.
    """
    check_offer(offer)
    with transaction.atomic():
        Plan.objects.select_for_update().get(pk=plan.pk)
        usage_plan = UsagePlan.objects.filter(code=offer.usage_plan_code).first()
        if usage_plan is None:
            refusal = FieldError("/usage_plan", "unknown_usage_plan", "There is no usage plan with this code.")
            raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))
        number = PlanVersion.objects.filter(plan=plan).count() + 1
        if expected_number is not None and number != expected_number:
            raise ConflictError(f"Version {number - 1} was published meanwhile: look at it, then decide.")
        version = PlanVersion.objects.create(
            plan=plan,
            number=number,
            usage_plan=usage_plan,
            trial_days=offer.trial_days,
            digest=digest_of(
                plan_code=plan.code,
                number=number,
                trial_days=offer.trial_days,
                usage_plan_code=usage_plan.code,
                prices=offer.prices,
            ),
            created_at=as_of,
        )
        _add_prices(version, offer.prices)
        record_audit(
            actor=actor,
            action="plan.version_published",
            tenant_id=None,
            target=AuditTarget("plan", plan.pk, plan.code),
            after={"number": number, "usage_plan": usage_plan.code, "trial_days": offer.trial_days}
            | {f"{price.currency} {price.meter_code or 'fee'}": write_terms(price.terms) for price in offer.prices},
            as_of=as_of,
        )
    return version


def _add_prices(version: PlanVersion, offers: tuple[PriceOffer, ...]) -> None:
    codes = {offer.meter_code for offer in offers if offer.meter_code is not None}
    meters = {meter.code: meter for meter in Meter.objects.filter(code__in=codes)}
    for code in sorted(codes - set(meters)):
        raise UnknownMeterError(f"There is no meter {code}.")
    for code in sorted(codes):
        if meters[code].aggregation not in DIVISIBLE_CODES:
            kind = aggregation_named(meters[code].aggregation)
            detail = (
                f"{code} is no meter for a price ({kind.name.lower()}): when a plan changes within a period, the"
                " quantities of its parts do not add up to that of the period."
            )
            raise InvalidFieldsError(detail, field_errors=(FieldError("/prices", "meter_not_additive", detail),))
    Price.objects.bulk_create(
        Price(
            plan_version=version,
            kind=PriceKind.RECURRING if offer.meter_code is None else PriceKind.USAGE,
            meter=None if offer.meter_code is None else meters[offer.meter_code],
            currency=offer.currency,
            model=MODEL_OF[type(offer.terms)],
            terms=write_terms(offer.terms),
        )
        for offer in offers
    )


def _stripped(given: Mapping[str, object]) -> dict[str, Any]:
    return {name: value.strip() if isinstance(value, str) else value for name, value in given.items()}


def _check(code: str, given: Mapping[str, Any]) -> None:
    words = {name: given.get(name, "") for name in ("mark", "features")}
    check_plan(code=code, name=given["name"], position=given["position"], **words)


def _described(plan: Plan) -> dict[str, object]:
    return {name: getattr(plan, name) for name in sorted(SETTINGS)}


def _record(plan: Plan, action: str, *, before: dict[str, object], actor: Actor, as_of: datetime) -> None:
    record_audit(
        actor=actor,
        action=action,
        tenant_id=None,
        target=AuditTarget("plan", plan.pk, plan.code),
        before=before,
        after=_described(plan),
        as_of=as_of,
    )
