"""How a tenant is billed: its tax and its terms, set by staff."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.roles import Capability
from accounts.domain.texts import line_problem
from accounts.errors import FieldError, InvalidFieldsError
from accounts.models import Tenant
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.changes import differing, update_changed
from accounts.services.rights import require_capability
from billing.domain.invoicing.plausibility import AmountCheck
from billing.domain.languages import ENGLISH, LANGUAGES
from billing.domain.tax import DECIDED_BY_STAFF, TaxTreatment
from billing.models import BillingProfile

# What the customer says itself of its documents.
PAPER_TERMS = ("purchase_order", "language")
TERMS = frozenset(
    {
        "tax_treatment", "tax_percent", "tax_exemption_reason", "payment_days", "amount_check", "amount_max_minor",
        *PAPER_TERMS,
    }
)  # fmt: skip
PAYMENT_DAYS_MAX = 365
PURCHASE_ORDER_CHARACTERS_MAX = 60


def billing_profile_of(tenant_id: UUID) -> BillingProfile:
    """Return the tenant's profile. Create it with defaults if there is none."""
    profile, _ = BillingProfile.objects.get_or_create(tenant_id=tenant_id)
    return profile


def keep_card(*, tenant_id: UUID, card_label: str) -> None:
    """Store what the tenant's invoices are charged to from now on.

    An empty label means that the customer pays each.
    """
    billing_profile_of(tenant_id)
    BillingProfile.objects.filter(tenant_id=tenant_id).update(card_label=card_label)


def keep_merchant(*, tenant_id: UUID, merchant: str) -> None:
    """Store which merchant of record sells to the tenant from now on; an empty name means that the issuer does.

    Its documents from now on are usage statements without a tax of the issuer's.
    """
    billing_profile_of(tenant_id)
    BillingProfile.objects.filter(tenant_id=tenant_id).update(merchant_of_record=merchant)


def update_billing_profile(
    *, tenant: Tenant, changes: Mapping[str, object], actor: Actor, as_of: datetime
) -> BillingProfile:
    """Change a tenant's tax, terms or bounds, by name; drafts and later invoices follow.

    A member of the tenant changes what it says of its documents alone. Raises `InvalidFieldsError`,
    `PermissionMissingError`.
    """
    assert set(changes) <= TERMS, f"no terms: {set(changes) - TERMS}"
    role = require_capability(actor, tenant.pk, Capability.MANAGE_BILLING)
    assert role is None or set(changes) <= set(PAPER_TERMS), "the rest is for staff to say"
    _check(changes)
    with transaction.atomic():
        billing_profile_of(tenant.pk)
        profile = BillingProfile.objects.select_for_update().get(tenant=tenant)
        if "amount_check" in changes or "amount_max_minor" in changes:
            _check_bound(
                changes.get("amount_check", profile.amount_check),
                changes.get("amount_max_minor", profile.amount_max_minor),
            )
        changed = differing(profile, changes)
        if changed.after.keys() & {"tax_treatment", "tax_percent", "tax_exemption_reason"}:
            _check_reason({name: changes.get(name, getattr(profile, name)) for name in TERMS})
        if changed:
            update_changed(profile, changed)
            record_audit(
                actor=actor,
                action="tenant.billing_updated",
                tenant_id=tenant.pk,
                target=AuditTarget("tenant", tenant.pk, tenant.slug),
                before=changed.before,
                after=changed.after,
                as_of=as_of,
            )
    return profile


def _check(changes: Mapping[str, object]) -> None:
    percent, days = changes.get("tax_percent"), changes.get("payment_days")
    refusals = [*_paper_refusals(changes)]
    if changes.get("tax_treatment", TaxTreatment.AUTOMATIC.value) not in {
        treatment.value for treatment in DECIDED_BY_STAFF
    }:
        refusals.append(
            FieldError("/tax_treatment", "invalid_tax_treatment", f"One of: {', '.join(DECIDED_BY_STAFF)}.")
        )
    if isinstance(percent, Decimal) and not (percent.is_finite() and 0 <= percent <= 100):  # noqa: PLR2004
        refusals.append(FieldError("/tax_percent", "invalid_tax_percent", "0 to 100 percent."))
    if isinstance(days, int) and not 0 <= days <= PAYMENT_DAYS_MAX:
        refusals.append(FieldError("/payment_days", "invalid_payment_days", f"0 to {PAYMENT_DAYS_MAX} days."))
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=tuple(refusals))


def _paper_refusals(changes: Mapping[str, object]) -> Iterator[FieldError]:
    order = str(changes.get("purchase_order", ""))
    problem = line_problem(order, pointer="/purchase_order", characters_max=PURCHASE_ORDER_CHARACTERS_MAX)
    if problem is not None:
        yield problem
    if changes.get("language", ENGLISH) not in LANGUAGES:
        yield FieldError("/language", "invalid_language", f"One of: {', '.join(LANGUAGES)}.")


def _check_reason(terms: Mapping[str, object]) -> None:
    """Check that terms without tax give a reason: the invoice needs it (Directive 2006/112/EC, article 226 (11))."""
    is_free = terms["tax_treatment"] == TaxTreatment.EXEMPT or terms["tax_percent"] == 0
    if is_free and not str(terms["tax_exemption_reason"]).strip():
        detail = "Enter the reason why no tax is charged. It is printed on the invoices."
        raise InvalidFieldsError(detail, field_errors=(FieldError("/tax_exemption_reason", "required", detail),))


def _check_bound(check: object, amount_max_minor: object) -> None:
    has_limit = isinstance(amount_max_minor, int) and amount_max_minor >= 0
    if has_limit != (check == AmountCheck.LIMIT) or check not in set(AmountCheck):
        detail = "Enter the highest amount for a limit, and leave it empty otherwise."
        raise InvalidFieldsError(detail, field_errors=(FieldError("/amount_max_minor", "invalid_amount_max", detail),))
