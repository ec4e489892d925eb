"""Creation of the demo: what is missing of it, and the usage since the last run.

Each step first checks what exists, so that the next run completes a killed one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from accounts.keys.domain.labels import KeyLabels
from accounts.keys.services.api_keys import KeyTerms, create_api_key, revoke_api_key
from accounts.models import ApiKey, Tenant, User
from accounts.services.tenants import open_tenant, suspend_tenant
from billing.collection.services.samples import receive_samples
from config.workbench.demo.billing import (
    add_alerts,
    add_invoices,
    close_old_months,
    ensure_catalogue,
    ensure_subscription,
)
from config.workbench.demo.cast import (
    HISTORY_DAYS,
    MAIN_TENANT,
    PLANS,
    TENANTS,
    DemoKey,
    DemoPlan,
    DemoTenant,
    email_of,
    joined_at_of,
)
from config.workbench.demo.catalogue import ADDRESSES
from config.workbench.demo.channels import add_channels
from config.workbench.demo.completions import add_completions, ensure_ai_tokens
from config.workbench.demo.credentials import DemoCredentials, digest_of_stored
from config.workbench.demo.desk import add_acts_of_staff
from config.workbench.demo.fakes import add_to_fakes
from config.workbench.demo.followed_logs import add_followed_log
from config.workbench.demo.leaks import leak_key
from config.workbench.demo.meters import ensure_meters
from config.workbench.demo.mishaps import make_mishaps
from config.workbench.demo.operations import (
    PAYOUT_BEFORE,
    add_differences,
    add_export,
    add_outages,
    add_payment_findings,
)
from config.workbench.demo.people import ensure_customers, ensure_members, ensure_staff
from config.workbench.demo.questions import add_questions
from config.workbench.demo.reservations import make_reservations
from config.workbench.demo.taxes import check_tax_ids_by_hand, ensure_taxes
from config.workbench.demo.told_in_time import ensure_own_limits
from config.workbench.demo.usage import add_usage
from config.workbench.demo.webhooks import add_webhooks
from metering.domain.http_requests import EVENT_TYPE
from metering.domain.periods import Period
from metering.domain.usage_plan_terms import QuotaTerms, UsagePlanTerms
from metering.models import ProductCode, UsagePlan
from metering.services.product_codes import create_product_code
from metering.services.usage_plans import assign_usage_plan, create_usage_plan, default_usage_plan

SERVICE_KEY_NAME = "Demo gateway"
BACKFILL_DAYS = 35
EXPORTED_BEFORE = timedelta(minutes=20)


def seed_demo(
    *, seed: str, as_of: datetime, credentials_file: Path, tenants: Sequence[DemoTenant] = TENANTS
) -> dict[str, int]:
    """Create what is missing, and return the number of events added to each tenant, by slug."""
    credentials = DemoCredentials.read(credentials_file)
    staff = ensure_staff(credentials)
    users = ensure_customers(credentials)
    plans = {plan.code: _ensure_plan(plan, staff, as_of) for plan in PLANS}
    began_at = as_of - timedelta(days=HISTORY_DAYS)
    ensure_meters(actor=_staff_actor(staff), began_at=began_at, as_of=as_of)
    ensure_ai_tokens(actor=_staff_actor(staff), began_at=began_at, as_of=as_of)
    ensure_catalogue(actor=_staff_actor(staff), as_of=began_at)
    ensure_taxes(actor=_staff_actor(staff), as_of=began_at, now=as_of)
    if not ProductCode.objects.exists():
        create_product_code(code="SKU-API-EU", event_type=EVENT_TYPE, actor=_staff_actor(staff), as_of=began_at)
    credentials.service_key = _ensure_service_key(credentials.service_key, staff, as_of)
    added = {}
    for planned in tenants:
        tenant = _ensure_tenant(planned, users, plans[planned.plan], _staff_actor(staff), as_of)
        if planned.slug == MAIN_TENANT:
            credentials.api_key = _ensure_main_key(credentials.api_key, planned, tenant, users, as_of)
        _ensure_keys(planned, tenant, users, as_of)
        ensure_subscription(
            planned=planned, tenant=tenant, actor=_owner_actor(planned, users), staff=_staff_actor(staff)
        )
        # Before the usage, which takes longest: the logins work even if the run is killed.
        credentials.write(credentials_file)
        added[planned.slug] = add_usage(planned=planned, tenant=tenant, seed=seed, as_of=as_of)
        _ensure_suspended(planned, tenant, staff, as_of)
    make_mishaps(api_key=credentials.api_key, as_of=as_of)
    rows = list(Tenant.objects.filter(slug__in=[planned.slug for planned in tenants]))
    for tenant in rows[:1]:
        add_completions(tenant=tenant, seed=seed, as_of=as_of)
        add_followed_log(tenant=tenant, folder=credentials_file.parent, actor=_staff_actor(staff), as_of=as_of)
    check_tax_ids_by_hand(tenants=rows, actor=_staff_actor(staff))
    add_invoices(tenants=rows, actor=_staff_actor(staff), as_of=as_of)
    # After the upgrades, which invoicing plays: the plan before them refuses every reservation.
    make_reservations(api_key=credentials.api_key, as_of=as_of)
    add_acts_of_staff(actor=_staff_actor(staff), colleague=_colleague_of(staff), as_of=as_of)
    add_questions(actor=_staff_actor(staff), as_of=as_of)
    close_old_months(actor=_staff_actor(staff), as_of=as_of)
    add_export(tenants=rows, as_of=as_of - EXPORTED_BEFORE)
    for tenant in rows:
        if tenant.slug == MAIN_TENANT:
            ensure_own_limits(tenant=tenant, actor=_staff_actor(staff), as_of=as_of)
    add_alerts(tenants=rows, as_of=as_of)  # drops the mail of the export, too
    receive_samples(as_of=as_of)
    add_differences(tenants=rows, actor=_staff_actor(staff), as_of=as_of)
    add_payment_findings(tenants=rows, actor=_staff_actor(staff), as_of=as_of)
    add_to_fakes(tenants=rows, payout_at=as_of - PAYOUT_BEFORE)
    add_outages()
    credentials.webhook_secret = add_webhooks(
        tenants=rows,
        receiver_url=settings.DEMO_RECEIVER_URL,
        secret=credentials.webhook_secret,
        actor=_staff_actor(staff),
        as_of=as_of,
    )
    add_channels(tenants=rows, receiver_url=settings.DEMO_RECEIVER_URL, actor=_staff_actor(staff), as_of=as_of)
    credentials.write(credentials_file)
    return added


def _ensure_plan(plan: DemoPlan, staff: User, as_of: datetime) -> UsagePlan:
    known = UsagePlan.objects.filter(code=plan.code).first()
    if known is not None:
        return known
    terms = UsagePlanTerms(
        plan.name,
        throttle_rate=plan.rate,
        throttle_burst=plan.burst,
        quotas=tuple(
            QuotaTerms(quota.meter, quota.limit, Period(quota.period), is_hard=quota.is_hard) for quota in plan.quotas
        ),
        is_default=plan.is_default and default_usage_plan() is None,
    )
    return create_usage_plan(code=plan.code, terms=terms, actor=_staff_actor(staff), as_of=as_of)


def _ensure_tenant(
    planned: DemoTenant, users: dict[str, User], usage_plan: UsagePlan, staff_actor: Actor, as_of: datetime
) -> Tenant:
    tenant = Tenant.objects.filter(slug=planned.slug).first()
    if tenant is None:
        joined_at = joined_at_of(planned, as_of)
        with transaction.atomic():
            tenant = _open(planned, users[email_of(planned.people[0][0], planned)], joined_at)
            assign_usage_plan(tenant=tenant, usage_plan=usage_plan, actor=staff_actor, as_of=joined_at)
    ensure_members(planned, tenant, users, tenant.created_at + timedelta(days=1))
    return tenant


def _open(planned: DemoTenant, owner: User, joined_at: datetime) -> Tenant:
    street, postal_code, tax_id = ADDRESSES[planned.slug]
    return open_tenant(
        name=planned.name,
        owner=owner,
        actor=Actor.member(user_id=owner.pk, label=owner.email),
        as_of=joined_at,
        slug=planned.slug,
        settings={
            "time_zone": planned.time_zone,
            "currency": planned.currency,
            "country": planned.country,
            "city": planned.city,
            "address_line1": street,
            "postal_code": postal_code,
            "tax_id": tax_id,
            "legal_name": planned.name,
            "billing_email": f"billing@{planned.slug}.example",
            "backfill_days": BACKFILL_DAYS,
        },
    )


def _ensure_keys(planned: DemoTenant, tenant: Tenant, users: dict[str, User], as_of: datetime) -> None:
    names = set(ApiKey.objects.of_tenant(tenant.pk).values_list("name", flat=True))
    actor = _owner_actor(planned, users)
    for key in planned.keys:
        if key.name not in names:
            _make_key(key, tenant, actor, as_of)


def _make_key(planned: DemoKey, tenant: Tenant, actor: Actor, as_of: datetime) -> str:
    expires_at = None if planned.expires_in_days is None else as_of + timedelta(days=planned.expires_in_days)
    created = create_api_key(
        tenant=tenant,
        kind=planned.kind,
        terms=KeyTerms(
            name=planned.name,
            scopes=planned.scopes,
            expires_at=expires_at,
            throttle_rate=planned.throttle_rate,
            throttle_burst=None if planned.throttle_rate is None else planned.throttle_rate * 2,
        ),
        labels=KeyLabels(planned.environment, planned.tags),
        actor=actor,
        as_of=tenant.created_at + timedelta(hours=1),
    )
    if planned.revoked_days_ago is not None:
        revoke_api_key(key=created.key, actor=actor, as_of=as_of - timedelta(days=planned.revoked_days_ago))
    if planned.leaked_days_ago is not None:
        leak_key(created=created, tenant=tenant, owner=actor, as_of=as_of - timedelta(days=planned.leaked_days_ago))
    return created.secret


def _ensure_main_key(known: str, planned: DemoTenant, tenant: Tenant, users: dict[str, User], as_of: datetime) -> str:
    """Return the secret of the main tenant's first key: the stored one while it works, else a new key's."""
    usable = ApiKey.objects.of_tenant(tenant.pk).usable_at(as_of)
    if usable.filter(digest=digest_of_stored(known) or b"").exists():
        return known
    actor = _owner_actor(planned, users)
    for key in usable.filter(name=planned.keys[0].name):
        revoke_api_key(key=key, actor=actor, as_of=as_of)
    return _make_key(planned.keys[0], tenant, actor, as_of)


def _ensure_service_key(known: str, staff: User, as_of: datetime) -> str:
    usable = ApiKey.objects.filter(kind=KeyKind.SERVICE).usable_at(as_of)
    if usable.filter(digest=digest_of_stored(known) or b"").exists():
        return known
    for key in usable.filter(name=SERVICE_KEY_NAME):
        revoke_api_key(key=key, actor=_staff_actor(staff), as_of=as_of)
    created = create_api_key(
        tenant=None,
        kind=KeyKind.SERVICE,
        terms=KeyTerms(name=SERVICE_KEY_NAME, scopes=tuple(Scope)),
        actor=_staff_actor(staff),
        as_of=as_of,
    )
    return created.secret


def _ensure_suspended(planned: DemoTenant, tenant: Tenant, staff: User, as_of: datetime) -> None:
    """Suspend the tenant the first time only: a person who reactivates it in the admin meant to."""
    days = planned.suspended_days_ago
    if days is None or not tenant.is_active or tenant.audit_entries.filter(action="tenant.suspended").exists():
        return
    reason = "Three invoices unpaid. The customer was reminded twice."
    suspend_tenant(tenant=tenant, reason=reason, actor=_staff_actor(staff), as_of=as_of - timedelta(days=days))


def _owner_actor(planned: DemoTenant, users: dict[str, User]) -> Actor:
    owner = users[email_of(planned.people[0][0], planned)]
    return Actor.member(user_id=owner.pk, label=owner.email)


def _colleague_of(staff: User) -> Actor:
    """Return another member of the demo's staff."""
    other = User.objects.filter(is_staff=True, groups__name="Billing").exclude(pk=staff.pk).order_by("pk").first()
    return _staff_actor(other or staff)


def _staff_actor(staff: User) -> Actor:
    return Actor.staff(user_id=staff.pk, label=staff.email)
