"""A tenant's owner exports all that the tenant has, and nothing of another tenant (P20)."""

import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from accounts.channels.models import Channel, ChannelMessage
from accounts.domain.actor import Actor, ActorKind
from accounts.domain.roles import Role
from accounts.errors import PermissionMissingError
from accounts.exports.models import ExportChunk, TenantExport
from accounts.exports.selectors.exports import archive_of
from accounts.exports.services.making import make_exports, pieces_of
from accounts.exports.services.requesting import request_export
from accounts.models import (
    ApiKey,
    AuditEntry,
    Discrepancy,
    Invitation,
    KeyAddress,
    KeyLeak,
    KeyRefusal,
    Membership,
    Tenant,
    User,
)
from accounts.notices.models import MailPreference, MemberNotice, Notice, OutboundMail, OutboxEvent
from accounts.notices.services.mails import send_queued_mails
from accounts.services.clean_up import clean_up
from accounts.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from billing.desk.models import WriteOff
from billing.dunning.models import DunningCase, DunningPause, DunningStep
from billing.ledger.models import JournalEntry, Posting
from billing.models import (
    CreditNote,
    CreditSetOff,
    Invoice,
    InvoiceHold,
    InvoiceLine,
    Payment,
    PaymentAllocation,
    PaymentDispute,
    PaymentRefund,
    SingleItem,
    Subscription,
    SubscriptionPhase,
    TaxIdCheck,
)
from metering.models import Event, EventVoid, SealedLedger, SealedRollup, UsageDay, UsageHour
from metering.services.event_voids import void_event
from tests.isolation.world import Estate, make_estate
from tests.metering.ledger_world import ledger_of, send
from tests.shared_world import shared_world

# Where the rows of each file are stored: a file of one name is their whole table, as far as it is the tenant's.
TABLES: Mapping[str, tuple[type[Model], str]] = {
    "settings.json": (Tenant, "pk"),
    "members.json": (Membership, "tenant"),
    "invitations.json": (Invitation, "tenant"),
    "keys.json": (ApiKey, "tenant"),
    "key_addresses.json": (KeyAddress, "tenant"),
    "key_refusals.json": (KeyRefusal, "tenant"),
    "key_leaks.json": (KeyLeak, "tenant"),
    "audit_log.ndjson.gz": (AuditEntry, "tenant"),
    "discrepancies.json": (Discrepancy, "tenant"),
    "mail_preferences.json": (MailPreference, "tenant"),
    "mails.ndjson.gz": (OutboundMail, "tenant"),
    "notices.ndjson.gz": (Notice, "tenant"),
    "notices_of_members.ndjson.gz": (MemberNotice, "tenant"),
    "webhook_events.ndjson.gz": (OutboxEvent, "tenant"),
    "webhook_endpoints.json": (WebhookEndpoint, "tenant"),
    "webhook_deliveries.ndjson.gz": (WebhookDelivery, "tenant"),
    "webhook_attempts.ndjson.gz": (WebhookAttempt, "tenant"),
    "channels.json": (Channel, "tenant"),
    "channel_messages.ndjson.gz": (ChannelMessage, "tenant"),
    "tax_id_checks.json": (TaxIdCheck, "tenant"),
    "subscriptions.json": (Subscription, "tenant"),
    "subscription_phases.json": (SubscriptionPhase, "subscription__tenant"),
    "invoices.json": (Invoice, "tenant"),
    "invoice_lines.json": (InvoiceLine, "invoice__tenant"),
    "credit_notes.json": (CreditNote, "tenant"),
    "payments.json": (Payment, "tenant"),
    "payment_allocations.json": (PaymentAllocation, "tenant"),
    "refunds.json": (PaymentRefund, "tenant"),
    "disputes.json": (PaymentDispute, "tenant"),
    "invoice_holds.json": (InvoiceHold, "tenant"),
    "set_offs.json": (CreditSetOff, "tenant"),
    "single_items.json": (SingleItem, "tenant"),
    "write_offs.json": (WriteOff, "tenant"),
    "dunning_cases.json": (DunningCase, "tenant"),
    "dunning_steps.json": (DunningStep, "case__tenant"),
    "dunning_pauses.json": (DunningPause, "tenant"),
    "ledger_entries.json": (JournalEntry, "tenant"),
    "ledger_postings.json": (Posting, "tenant"),
    "deleted_events.json": (SealedLedger, "tenant_id"),
    "sealed_usage.json": (SealedRollup, "tenant_id"),
}
LEDGER: Mapping[str, type[Model]] = {
    "events/": Event,
    "voids/": EventVoid,
    "usage_hours/": UsageHour,
    "usage_days/": UsageDay,
}
# Tables of a tenant that are no part of its export, and why.
NOT_EXPORTED = {
    "banking.BankEntry": "what the seller's bank states; the payment that it became is exported itself",
    "metering.UncountedLedger": "that a store of limits has missed events, until they are counted",
    "accounts.IdempotencyRecord": "responses that were sent, for a day",
    "metering.EventIdentity": "what the ledger is guarded by; each event is exported itself",
    "metering.LogSource": "how far staff have read a log; each request that was read is exported itself",
    "metering.SealedUsage": "what the ledger is guarded by; the lines that it proves are exported themselves",
    "metering.MeterFill": "how far a new meter is filled; its usage is exported itself",
    "collection.ProviderChoice": "which provider staff chose; its agreement is exported itself",
    "notices.UnroutedNotice": "which notices channels are to be told of; each is exported itself",
    "notices.UnsentEvent": "which events wait to be sent; each is exported itself",
    "webhooks.WebhookSecret": "secrets, each shown once when it was created",
    "collection.PaymentFinding": "what staff check at a provider; each payment is exported itself",
    "collection.PushDelay": "when a provider is asked again; what came of it is exported itself",
    "desk.Approval": "what staff ask one another; what came of it is exported itself",
    "alerts.TenantAgreement": "names the subscription, which is exported",
    "exports.TenantExport": "the export itself",
}
# Tables without a tenant of their own are reached through one that has it.


def make_estates() -> tuple[Estate, Estate]:
    acme, rival = make_estate("acme"), make_estate("rival")
    for estate in (acme, rival):
        moment = timezone.now() - timedelta(days=40)
        events = [
            {"id": f"{estate.tenant.slug}-{number}", "type": "http_request", "timestamp": moment.isoformat()}
            for number in range(3)
        ]
        send(ledger_of(estate.tenant), events, as_of=moment, api_key_id=estate.key.key.pk)
        send(ledger_of(estate.tenant, is_live=False), events[:1], as_of=moment)
        void_event(
            ledger=ledger_of(estate.tenant),
            event_id=events[0]["id"],
            source="",
            reason="a mistake",
            voided_by=estate.owner.email,
            as_of=timezone.now(),
        )
    return acme, rival


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[tuple[Estate, Estate]]:
    yield from shared_world(django_db_blocker, make_estates)


@pytest.fixture
def estates(made: tuple[Estate, Estate], db: None) -> tuple[Estate, Estate]:
    return deepcopy(made)


def owner_of(estate: Estate) -> Actor:
    return Actor.member(user_id=estate.owner.pk, label=estate.owner.email, role=Role.OWNER)


def export_of(estate: Estate) -> TenantExport:
    export = request_export(tenant=estate.tenant, actor=owner_of(estate), as_of=timezone.now())
    assert make_exports(as_of=timezone.now()) == 1
    export.refresh_from_db()
    return export


def files_of(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as found:
        assert found.testzip() is None
        return {name: found.read(name) for name in found.namelist()}


def text_of(name: str, content: bytes) -> bytes:
    return gzip.decompress(content) if name.endswith(".gz") else content


def rows_of(name: str, content: bytes) -> list[Any]:
    text = text_of(name, content)
    return [json.loads(line) for line in text.splitlines()] if ".ndjson" in name else json.loads(text)


def archive_bytes(pieces: Iterator[bytes]) -> bytes:
    return b"".join(pieces)


@pytest.mark.takes_long("it exports every table")
def test_the_counts_of_an_export_agree_with_the_tables(estates: tuple[Estate, Estate]) -> None:
    acme, _ = estates
    export = request_export(tenant=acme.tenant, actor=owner_of(acme), as_of=timezone.now())
    expected = {name: model.objects.filter(**{path: acme.tenant.pk}).count() for name, (model, path) in TABLES.items()}  # type: ignore[attr-defined]
    assert make_exports(as_of=timezone.now()) == 1

    files = files_of(archive_bytes(archive_of(export)))
    manifest = {row["name"]: row for row in json.loads(files["manifest.json"])["files"]}

    assert {name: manifest[name]["rows"] for name in expected} == expected
    assert {name: len(rows_of(name, files[name])) for name in expected} == expected
    assert expected["invoices.json"]
    assert expected["credit_notes.json"]
    assert expected["audit_log.ndjson.gz"]
    for folder, model in LEDGER.items():
        rows = sum(row["rows"] for name, row in manifest.items() if name.startswith(folder))
        assert rows == model.objects.filter(tenant_id=acme.tenant.pk).count() > 0, folder  # type: ignore[attr-defined]


def test_the_manifest_names_each_file_with_its_size_and_digest(estates: tuple[Estate, Estate]) -> None:
    files = files_of(archive_bytes(archive_of(export_of(estates[0]))))
    manifest = json.loads(files.pop("manifest.json"))

    assert {row["name"] for row in manifest["files"]} == files.keys()
    for row in manifest["files"]:
        content = files[row["name"]]
        assert (row["size_bytes"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    documents = {name for name in files if name.endswith(".pdf")}
    invoice = estates[0].invoice
    assert documents == {f"documents/{invoice.number}.pdf", f"documents/{invoice.credit_note.number}.pdf"}


def test_nothing_of_another_tenant_and_no_secret_is_in_an_export(estates: tuple[Estate, Estate]) -> None:
    acme, rival = estates
    key = ApiKey.objects.get(pk=acme.key.key.pk)

    for name, content in files_of(archive_bytes(archive_of(export_of(acme)))).items():
        text = text_of(name, content)
        for mark in rival.marks:
            assert mark.encode() not in text, (name, mark)
        for secret in (acme.key.secret.encode(), bytes(key.digest).hex().encode(), b'digest":'):
            assert secret not in text, name


def test_every_table_of_a_tenant_is_exported_or_named_with_a_reason(estates: tuple[Estate, Estate]) -> None:
    names = {piece.name for piece in pieces_of(estates[0].tenant)}
    assert TABLES.keys() <= names
    exported = {model._meta.label for model, _ in TABLES.values()} | {model._meta.label for model in LEDGER.values()}
    exported |= {
        "metering.Budget", "metering.IngestVerdict", "metering.Reservation", "metering.UsagePlanAssignment",
        "alerts.ThresholdAlert", "alerts.AcceptedAnomaly", "alerts.OwnThreshold",
        "billing.BillingProfile", "collection.ProviderCustomer", "collection.ProviderRefund", "collection.UsagePush",
    }  # fmt: skip
    owned = {
        model._meta.label
        for app in (
            "accounts", "notices", "webhooks", "channels", "exports", "metering", "alerts", "billing", "collection",
            "dunning", "banking",
        )
        for model in apps.get_app_config(app).get_models()
        if {"tenant", "tenant_id"} & {field.name for field in model._meta.get_fields()}
        if model is not Tenant and not model._meta.proxy
    }  # fmt: skip
    assert owned - exported - NOT_EXPORTED.keys() == set()


def test_two_requests_at_once_create_one_export(estates: tuple[Estate, Estate]) -> None:
    acme, _ = estates
    first = request_export(tenant=acme.tenant, actor=owner_of(acme), as_of=timezone.now())
    assert request_export(tenant=acme.tenant, actor=owner_of(acme), as_of=timezone.now()) == first
    assert make_exports(as_of=timezone.now()) == 1
    assert make_exports(as_of=timezone.now()) == 0


def test_an_export_is_mailed_about_and_its_download_is_audited(estates: tuple[Estate, Estate]) -> None:
    acme, _ = estates
    export = export_of(acme)
    assert send_queued_mails(as_of=timezone.now() + timedelta(minutes=1)) >= 1
    told = [message for message in mail.outbox if "export of Acme is ready" in message.subject]
    assert [message.to for message in told] == [[acme.owner.email]]
    assert "/t/acme/settings/data/" in told[0].body

    client = acme.client()
    answer = client.get(f"/t/acme/settings/data/{export.pk}/")
    assert answer.status_code == 200
    assert "manifest.json" in files_of(b"".join(answer.streaming_content))
    actions = AuditEntry.objects.filter(tenant=acme.tenant, target_kind="export").order_by("id")
    assert [entry.action for entry in actions] == ["export.requested", "export.ready", "export.downloaded"]


def test_only_an_owner_who_has_just_signed_in_downloads(estates: tuple[Estate, Estate]) -> None:
    acme, rival = estates
    path = f"/t/acme/settings/data/{export_of(acme).pk}/"

    assert Client().get(path).status_code == 302
    User.objects.filter(pk=acme.owner.pk).update(password="pbkdf2_sha256$1$salt$hash")  # or there is nothing to ask for
    acme.owner.refresh_from_db()
    client = acme.client()
    client.get("/t/acme/")
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.ACCOUNT_REAUTHENTICATION_TIMEOUT), tick=False):
        assert client.get(path)["Location"].startswith("/accounts/reauthenticate/")
    assert rival.client().get(path).status_code == 404
    assert rival.client().get(path.replace("/t/acme/", "/t/rival/")).status_code == 404
    Membership.objects.filter(pk=acme.membership.pk).update(role=Role.ADMIN)
    assert acme.client().get(path).status_code == 403


def test_staff_who_view_as_the_owner_cannot_export(estates: tuple[Estate, Estate]) -> None:
    acme, _ = estates
    staff = Actor(ActorKind.STAFF, "staff as owner", user_id=acme.owner.pk, role=Role.OWNER)
    with pytest.raises(PermissionMissingError):
        request_export(tenant=acme.tenant, actor=staff, as_of=timezone.now())
    assert TenantExport.objects.filter(tenant=acme.tenant).count() == 1  # the one that was created before


def test_an_export_expires_with_its_files(estates: tuple[Estate, Estate]) -> None:
    acme, _ = estates
    export = export_of(acme)
    assert export.expires_at is not None
    clean_up(as_of=export.expires_at - timedelta(seconds=1))
    assert ExportChunk.objects.exists()

    with time_machine.travel(export.expires_at, tick=False):
        assert acme.client().get(f"/t/acme/settings/data/{export.pk}/").status_code == 404
        summary = clean_up(as_of=export.expires_at).summary

    assert int(str(summary["exports"])) >= 1
    assert not ExportChunk.objects.exists()
    export.refresh_from_db()
    assert export.status == "expired"
