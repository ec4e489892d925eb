"""Two tenants with one object of every kind, and a digest of the database that only the second's rows may change.

Acme is Alice's. Charlie owns Rival, has every right there and none at Acme.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.channels.domain.terms import ChannelTerms
from accounts.channels.domain.types import ChannelType
from accounts.channels.models import Channel
from accounts.channels.services.channels import create_channel
from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.domain.roles import Role
from accounts.domain.scopes import SCOPES_FOR_TENANT_KEYS
from accounts.exports.domain.statuses import ExportStatus
from accounts.exports.models import ExportChunk, ExportFile, TenantExport
from accounts.keys.services.api_keys import CreatedKey, KeyTerms, create_api_key
from accounts.models import Invitation, Membership, StoredFile, Tenant, User
from accounts.notices.models import Notice
from accounts.notices.services.telling import NewNotice, notify_members
from accounts.services.members import invite_member
from accounts.webhooks.models import WebhookDelivery
from accounts.webhooks.services.endpoints import create_endpoint
from accounts.webhooks.services.replaying import send_test
from billing.desk.models import LineQuestion
from billing.models import DocumentFile, Invoice, Payment, PaymentStatus, PlanVersion
from billing.services.invoicing.staff_actions import issue_credit_note
from billing.services.subscriptions.subscribing import subscribe
from metering.alerts.domain.own_thresholds import OwnThresholdTerms
from metering.alerts.models import OwnThreshold, ThresholdAlert
from metering.alerts.services.own_thresholds import create_own_threshold
from metering.domain.budgets import BudgetScope, BudgetTerms
from metering.domain.periods import Period
from metering.domain.reservations import ReservationState
from metering.models import Budget, IngestVerdict, Reservation, Verdict
from metering.proofs.services.day_signing import sign_days
from metering.services.budgets import create_budget
from metering.services.verdicts import UnstoredEvent, record_verdicts
from tests.billing.desk.rows import line_question
from tests.billing.world import close_month, make_plan
from tests.metering.alerts.anomaly_world import make_anomaly
from tests.metering.ledger_world import LONG_AGO, ledger_of, make_tenant, parsed, send

BACKEND = "django.contrib.auth.backends.ModelBackend"
# Tables in which a visit leaves traces by design: sessions, the time of the last sign-in, caches.
TABLES_OF_VISITS = frozenset({"django_session", "usersessions_usersession", "cache", "accounts_user"})


@dataclass(frozen=True)
class Estate:
    """A tenant and all that is its own."""

    tenant: Tenant
    owner: User
    membership: Membership
    viewer: Membership
    invitation: Invitation
    key: CreatedKey
    event_id: str
    invoice: Invoice
    payment: Payment
    export: TenantExport
    reservation: Reservation
    delivery: WebhookDelivery
    notice: Notice
    channel: Channel
    budget: Budget
    question: LineQuestion
    anomaly: ThresholdAlert
    refusal: IngestVerdict
    threshold: OwnThreshold

    @property
    def marks(self) -> list[str]:
        """Return the texts that no other tenant may be shown."""
        ids = [
            self.tenant.pk,
            self.export.pk,
            self.reservation.pk,
            self.delivery.pk,
            self.notice.pk,
            self.channel.pk,
            self.question.pk,
            self.delivery.endpoint_id,
            self.delivery.event_id,
            self.key.key.pk,
            self.key.secret,
            self.key.key.prefix,
            self.key.key.name,
            self.event_id,
            self.budget.pk,
            self.refusal.event_id,
            self.threshold.pk,
        ]
        people = [self.owner.email, self.viewer.user.email, self.invitation.email]
        documents = [self.invoice.pk, self.invoice.number, self.invoice.credit_note.number]
        return [str(mark) for mark in (self.tenant.name, self.payment.reference, *ids, *people, *documents)]

    def client(self) -> Client:
        """Return a browser in which the owner is signed in."""
        client = Client()
        client.force_login(self.owner, backend=BACKEND)
        return client

    def api_headers(self) -> dict[str, str]:
        """Return the headers that the tenant's programs send."""
        return {"Authorization": f"Bearer {self.key.secret}"}


def make_estate(slug: str) -> Estate:
    """Create a tenant with one object of every kind through the services, with an event in the ledger."""
    as_of = timezone.now()
    tenant = make_tenant(slug)
    owner, viewer = make_user(f"owner@{slug}.example"), make_user(f"viewer@{slug}.example")
    membership = Membership.objects.create(tenant=tenant, user=owner, role=Role.OWNER, created_at=LONG_AGO)
    onlooker = Membership.objects.create(tenant=tenant, user=viewer, role=Role.VIEWER, created_at=LONG_AGO)
    actor = Actor.member(user_id=owner.pk, label=owner.email, role=Role.OWNER)
    key = create_api_key(
        tenant=tenant,
        kind=KeyKind.LIVE,
        terms=KeyTerms(name=f"Key of {slug}", scopes=SCOPES_FOR_TENANT_KEYS),
        actor=actor,
        as_of=as_of,
    )
    invitation = invite_member(
        tenant=tenant, email=f"invited@{slug}.example", role=Role.DEVELOPER, actor=actor, as_of=as_of
    )
    event_id = f"event-of-{slug}"
    happened_at = (as_of - timedelta(minutes=1)).isoformat()
    event = {"id": event_id, "type": "http_request", "subject": f"subject-of-{slug}", "timestamp": happened_at}
    send(ledger_of(tenant), [event], as_of=as_of, api_key_id=key.key.pk)
    sign_days(as_of=as_of + timedelta(days=2), halves=[(tenant.pk, True)])
    invoice = make_invoice(tenant, actor, as_of)
    payment, export = make_payment(tenant, as_of), make_export(tenant, owner, as_of)
    reservation = make_reservation(tenant, key, as_of)
    delivery = make_delivery(tenant, actor, as_of)
    channel = make_channel(tenant, actor, as_of)
    notice, budget = make_notice(tenant, as_of), make_budget(tenant, actor, as_of)
    people = (tenant, owner, membership, onlooker, invitation)
    question = line_question(invoice, asker=owner, asked_at=as_of)
    anomaly = make_anomaly(tenant, as_of - timedelta(hours=2))
    refusal, threshold = make_refusal(tenant, as_of), make_threshold(tenant, actor, as_of)
    of_alerts = (notice, channel, budget, question, anomaly, refusal, threshold)
    made = (invoice, payment, export, reservation, delivery, *of_alerts)
    return Estate(*people, key, event_id, *made)


def make_delivery(tenant: Tenant, actor: Actor, as_of: datetime) -> WebhookDelivery:
    """Create an endpoint, and a delivery to it that failed once."""
    url = f"https://hooks.{tenant.slug}.example/in"
    created = create_endpoint(tenant=tenant, url=url, event_types=(), description="", actor=actor, as_of=as_of)
    delivery = send_test(endpoint=created.endpoint, actor=actor, as_of=as_of)
    delivery.attempts.create(
        tenant=tenant, at=as_of, status_code=500, error="HTTP 500", milliseconds=9, signature="v1,x", response="no"
    )
    return delivery


def make_notice(tenant: Tenant, as_of: datetime) -> Notice:
    """Create a notice to every member."""
    key = f"usage_alert:{tenant.slug}:{as_of.isoformat()}"
    notify_members([NewNotice(tenant.pk, "usage_alert", key, f"{tenant.name}: 80 % of the quota is used")], as_of=as_of)
    return Notice.objects.get(dedupe_key=key)


def make_refusal(tenant: Tenant, as_of: datetime) -> IngestVerdict:
    """Create the record of an event that was not stored."""
    event_id = f"refused-of-{tenant.slug}"
    refusal = UnstoredEvent(Verdict.REJECTED, event_id, "http_request", "quantity_invalid", "It is negative.")
    record_verdicts(ledger=ledger_of(tenant), refusals=[refusal], api_key_id=None, request_id="", as_of=as_of)
    return IngestVerdict.objects.get(event_id=event_id)


def make_channel(tenant: Tenant, actor: Actor, as_of: datetime) -> Channel:
    """Create a channel of the tenant, which no test sends to."""
    terms = ChannelTerms(f"Channel of {tenant.slug}", f"https://ntfy.example/{tenant.slug}")
    created = create_channel(
        tenant=tenant, membership=None, channel_type=ChannelType.NTFY, terms=terms, actor=actor, as_of=as_of
    )
    return created.channel


def make_budget(tenant: Tenant, actor: Actor, as_of: datetime) -> Budget:
    """Create a budget that nothing reaches."""
    terms = BudgetTerms(BudgetScope.TENANT, Period.WEEK, Decimal(10**9), meter_code="api_requests", does_stop=True)
    return create_budget(tenant=tenant, terms=terms, actor=actor, as_of=as_of)


def make_threshold(tenant: Tenant, actor: Actor, as_of: datetime) -> OwnThreshold:
    """Create a threshold of the tenant's own."""
    terms = OwnThresholdTerms("api_requests", Period.WEEK, quantity=Decimal(10**9))
    return create_own_threshold(tenant=tenant, terms=terms, actor=actor, as_of=as_of)


def make_reservation(tenant: Tenant, key: CreatedKey, as_of: datetime) -> Reservation:
    """Create a reservation of one request, which is held for an hour."""
    [event] = parsed([{"id": f"reserved-by-{tenant.slug}", "type": "http_request"}], as_of=as_of)
    return Reservation.objects.create(
        id=uuid4(),
        tenant_id=tenant.pk,
        is_live=True,
        api_key_id=key.key.pk,
        state=ReservationState.HELD,
        key=event.key,
        content_hash=event.content_hash,
        event_id=event.id,
        type=event.type,
        quantity=event.quantity,
        properties="{}",
        holds="[]",
        is_holding=True,
        created_at=as_of,
        expires_at=as_of + timedelta(hours=1),
    )


def make_export(tenant: Tenant, owner: User, as_of: datetime) -> TenantExport:
    """Create an export that can be downloaded, with one file."""
    export = TenantExport.objects.create(
        id=uuid4(),
        tenant=tenant,
        requested_by=owner,
        status=ExportStatus.READY,
        requested_at=as_of,
        finished_at=as_of,
        expires_at=as_of + timedelta(days=7),
    )
    file = ExportFile.objects.create(export=export, position=0, name="members.json", sha256="0" * 64)
    ExportChunk.objects.create(file=file, position=0, content=owner.email.encode())
    return export


def make_invoice(tenant: Tenant, actor: Actor, as_of: datetime) -> Invoice:
    """Create an invoice, its first line over usage, and the credit note that takes it back, each with a PDF."""
    plan = PlanVersion.objects.first() or make_plan()
    began_at = as_of - timedelta(days=35)
    invoice = close_month(subscribe(tenant=tenant, plan_version=plan, actor=actor, as_of=began_at), as_of=as_of)
    credit_note = issue_credit_note(invoice_id=invoice.pk, reason="A mistake", actor=actor, as_of=as_of)
    for number in (str(invoice.number), credit_note.number):
        content = f"%PDF of {number}".encode()
        sha256 = hashlib.sha256(content).hexdigest()
        file = StoredFile.objects.create(sha256=sha256, media_type="application/pdf", content=content, created_at=as_of)
        DocumentFile.objects.create(number=number, file=file, created_at=as_of)
    return Invoice.objects.get(pk=invoice.pk)


def make_payment(tenant: Tenant, as_of: datetime) -> Payment:
    """Create a transfer that pays for nothing yet."""
    reference = f"transfer-of-{tenant.slug}"
    amount = {"amount_minor": 4900, "currency": "EUR", "occurred_at": as_of, "created_at": as_of}
    status = PaymentStatus.SUCCEEDED
    return Payment.objects.create(tenant=tenant, provider="manual", reference=reference, status=status, **amount)


def make_user(email: str) -> User:
    """Create a user without a password, whom a test signs in."""
    user = User.objects.create_user(email)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def books_apart_from(tenant: Tenant) -> dict[str, str]:
    """Return a digest of every table, without the rows that name this tenant: its own changes must not show here."""
    return {table: _digest(table, str(tenant.pk)) for table in _tables() if table not in TABLES_OF_VISITS}


def every_book() -> dict[str, str]:
    """Return a digest of every table with all its rows, people included, without sessions and caches."""
    return {table: _digest(table, None) for table in _tables() if table not in TABLES_OF_VISITS - {"accounts_user"}}


def _tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
        )
        return [name for (name,) in cursor.fetchall()]


def _digest(table: str, without: str | None) -> str:
    """Hash the rows, without those that name `without`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT t::text FROM "{table}" AS t WHERE coalesce(strpos(t::text, %s), 0) = 0 ORDER BY 1',
            [without],
        )
        return hashlib.sha256(repr(cursor.fetchall()).encode()).hexdigest()
