"""Every page of a tenant, with its arguments and the least role that may open it.

A new route fails until it is added.
"""

from dataclasses import dataclass, field

from django.urls import reverse

from accounts.domain.actor import Actor
from accounts.domain.roles import Role, outranks
from accounts.models import Invitation, Membership
from billing.models import Invoice
from portal.urls import tenant_pages
from tests.accounts.channels.world import make_channel
from tests.billing.desk.rows import line_question
from tests.isolation.world import (
    make_budget,
    make_delivery,
    make_export,
    make_invoice,
    make_notice,
    make_payment,
    make_refusal,
)
from tests.metering.alerts.anomaly_world import make_anomaly
from tests.metering.ledger_world import LONG_AGO, make_key
from tests.portal.conftest import NOW, Cast

LEAST_ROLE = {
    "overview": Role.VIEWER,
    "usage": Role.VIEWER,
    "usage_csv": Role.VIEWER,
    "events": Role.VIEWER,
    "connect": Role.VIEWER,
    "event": Role.VIEWER,
    "event_refused": Role.VIEWER,
    "notices": Role.VIEWER,
    "notice": Role.VIEWER,
    "alerts": Role.VIEWER,
    "anomaly": Role.VIEWER,
    "keys": Role.VIEWER,
    "key": Role.VIEWER,
    "search": Role.VIEWER,
    "channels": Role.VIEWER,
    "channel_new": Role.VIEWER,
    "team": Role.VIEWER,
    "security": Role.VIEWER,
    "first_event": Role.VIEWER,
    "member_remove": Role.VIEWER,  # every member may leave; the service decides whom else they may remove
    "plan": Role.VIEWER,  # only those who may pay see its amount
    "first_steps": Role.DEVELOPER,
    "key_new": Role.DEVELOPER,
    "key_rotate": Role.DEVELOPER,
    "key_revoke": Role.DEVELOPER,
    "key_labels": Role.DEVELOPER,
    "webhooks": Role.DEVELOPER,
    "webhook_new": Role.DEVELOPER,
    "webhook": Role.DEVELOPER,
    "webhook_edit": Role.DEVELOPER,
    "webhook_rotate": Role.DEVELOPER,
    "webhook_replay": Role.DEVELOPER,
    "webhook_test": Role.DEVELOPER,
    "webhook_status": Role.DEVELOPER,
    "webhook_delete": Role.DEVELOPER,
    "webhook_delivery": Role.DEVELOPER,
    "webhook_delivery_replay": Role.DEVELOPER,
    "budgets": Role.ADMIN,
    "budget_new": Role.ADMIN,
    "budget_edit": Role.ADMIN,
    "budget_pause": Role.ADMIN,
    "budget_delete": Role.ADMIN,
    "invite": Role.ADMIN,
    "invitation_resend": Role.ADMIN,
    "team_second_factor": Role.OWNER,
    "invitation_revoke": Role.ADMIN,
    "member": Role.ADMIN,
    "key_release": Role.ADMIN,
    "settings": Role.ADMIN,
    "channel": Role.ADMIN,  # of the organisation; a member sees their own
    "channel_edit": Role.ADMIN,
    "channel_test": Role.ADMIN,
    "channel_status": Role.ADMIN,
    "channel_delete": Role.ADMIN,
    "audit": Role.ADMIN,
    "audit_csv": Role.ADMIN,
    "plan_choose": Role.BILLING,
    "plan_cancel": Role.BILLING,
    "plan_undo": Role.BILLING,
    "plan_card": Role.BILLING,
    "checkout_done": Role.BILLING,
    "invoices": Role.BILLING,
    "invoices_csv": Role.BILLING,
    "invoices_zip": Role.BILLING,
    "invoice": Role.BILLING,
    "statement": Role.BILLING,
    "payments": Role.BILLING,
    "receipt": Role.BILLING,
    "invoice_ahead": Role.BILLING,
    "invoice_pdf": Role.BILLING,
    "invoice_evidence": Role.BILLING,
    "credit_note_pdf": Role.BILLING,
    "credit_note_in_part_pdf": Role.BILLING,
    "invoice_pay": Role.BILLING,
    "line_events": Role.BILLING,
    "line_ask": Role.BILLING,
    "question_withdraw": Role.BILLING,
    "data": Role.OWNER,
    "data_exports": Role.OWNER,
    "data_download": Role.OWNER,
    "close": Role.OWNER,
}


def may_open(name: str, role: Role) -> bool:
    """Return whether a role may open a page."""
    return role is LEAST_ROLE[name] or outranks(role, LEAST_ROLE[name])


CHANNEL_PAGES = tuple(f"channel{name}" for name in ("", "_edit", "_test", "_status", "_delete"))
# Who may not open them is told that there is no such object.
HIDDEN = frozenset(CHANNEL_PAGES)
WRITING = {
    "channel_new",
    "channel_edit",
    "channel_test",
    "channel_status",
    "channel_delete",
    "notices",
    "notice",
    "webhook_new",
    "webhook_edit",
    "webhook_rotate",
    "webhook_replay",
    "webhook_test",
    "webhook_status",
    "webhook_delete",
    "webhook_delivery_replay",
    "alerts",
    "anomaly",
    "budget_new",
    "budget_edit",
    "budget_pause",
    "budget_delete",
    "first_steps",
    "key_new",
    "key_rotate",
    "key_revoke",
    "key_labels",
    "key_release",
    "invite",
    "invitation_revoke",
    "invitation_resend",
    "team_second_factor",
    "member",
    "member_remove",
    "settings",
    "plan_choose",
    "plan_cancel",
    "plan_undo",
    "plan_card",
    "invoice_pay",
    "line_ask",
    "question_withdraw",
    "data",
    "close",
}
ENDPOINT_PAGES = tuple(f"webhook{name}" for name in ("", "_edit", "_rotate", "_replay", "_test", "_status", "_delete"))
QUERIES = {"event": "?id=first", "plan_choose": "?plan=pro", "checkout_done": "?plan=another"}
NAMES = sorted(str(page.name) for page in tenant_pages)


@dataclass(frozen=True)
class Addresses:
    """The pages of a tenant that has one object of every kind."""

    slug: str
    arguments: dict[str, dict[str, object]] = field(default_factory=dict)

    def of(self, name: str) -> str:
        url = reverse(f"portal:{name}", kwargs={"slug": self.slug, **self.arguments.get(name, {})})
        return url + QUERIES.get(name, "")


def addresses_of_acme(cast: Cast) -> Addresses:
    key, _ = make_key(cast.acme, scopes=["events:write"])
    invitation = Invitation.objects.create(
        tenant=cast.acme,
        email="new@example.com",
        role=Role.VIEWER,
        token_digest=b"d" * 32,
        created_at=LONG_AGO,
        expires_at=NOW.replace(year=2027),
    )
    vera = Membership.objects.get(tenant=cast.acme, user=cast.vera)
    of_invoice: dict[str, object] = {"number": make_invoice(cast.acme, Actor.system("test"), NOW).number}
    question = line_question(Invoice.objects.get(number=of_invoice["number"]), asker=cast.alice)
    of_key = {"key_id": key.pk}
    of_export: dict[str, object] = {"export_id": make_export(cast.acme, cast.alice, NOW).pk}
    of_member: dict[str, object] = {"membership_id": vera.pk}
    delivery = make_delivery(cast.acme, Actor.system("test"), NOW)
    of_budget: dict[str, object] = {"budget_id": make_budget(cast.acme, Actor.system("test"), NOW).pk}
    of_channel: dict[str, object] = {"channel_id": make_channel(cast.acme, NOW).pk}
    return Addresses(
        cast.acme.slug,
        {
            **dict.fromkeys(("budget_edit", "budget_pause", "budget_delete"), of_budget),
            "event_refused": {"verdict_id": make_refusal(cast.acme, NOW).pk},
            "key": of_key,
            "notice": {"notice_id": make_notice(cast.acme, NOW).pk},
            "anomaly": {"alert_id": make_anomaly(cast.acme, NOW, key_id=key.pk).pk},
            "key_rotate": of_key,
            "key_revoke": of_key,
            "key_labels": of_key,
            "key_release": of_key,
            **{name: {"endpoint_id": delivery.endpoint_id} for name in ENDPOINT_PAGES},
            **{name: {"delivery_id": delivery.pk} for name in ("webhook_delivery", "webhook_delivery_replay")},
            "invitation_revoke": {"invitation_id": invitation.pk},
            "invitation_resend": {"invitation_id": invitation.pk},
            "invoice": of_invoice,
            "invoice_pdf": of_invoice,
            "invoice_evidence": of_invoice,
            "credit_note_pdf": of_invoice,
            "credit_note_in_part_pdf": {**of_invoice, "note": "CN-2026-000001"},
            "invoice_pay": of_invoice,
            "line_events": of_invoice | {"position": 1},
            "line_ask": of_invoice | {"position": 1},
            "question_withdraw": {"question_id": question.pk},
            **dict.fromkeys(CHANNEL_PAGES, of_channel),
            "receipt": {"payment_id": make_payment(cast.acme, NOW).pk},
            "member": of_member,
            "member_remove": of_member,
            "data_download": of_export,
        },
    )
