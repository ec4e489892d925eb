"""Queueing the mails of dunning, in the customer's language, with the link that pays without signing in."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from django.conf import settings
from django.template.loader import render_to_string

from accounts.domain.roles import Capability, Role
from accounts.models import Tenant
from accounts.notices.domain.mails import MailKind
from accounts.notices.selectors.recipients import recipients_of
from accounts.notices.services.mails import Attachment, NewMail, queue_mails
from billing.domain.transfers import creditor_reference, printed_reference
from billing.dunning.domain.letters import LetterFacts, letter_of
from billing.dunning.domain.states import CaseKind, ServiceStage, StepKind, StepStatus
from billing.dunning.models import DunningCase, DunningStep
from billing.dunning.selectors.links import payment_address
from billing.dunning.selectors.schedules import may_use
from billing.models import BillingProfile, DocumentFile, Invoice, Issuer
from billing.rendering.services.language import Language, language_named
from metering.domain.periods import local_day

# Not a kind that members may turn off: it is about their debt, and about the end of their service.
DUNNING: Final = MailKind(
    name="dunning",
    wish="wants_dunning",
    capability=Capability.MANAGE_BILLING,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN, Role.BILLING}),
    goes_to_billing_email=True,
    title="Unpaid invoices",
    page="invoices/",
    is_optional=False,
)
# A transfer reminder names no card, and a charge no bank account.
_CHARGES: Final = frozenset({StepKind.NOTICE, StepKind.RETRY})


def queue_letter(
    case: DunningCase, step: DunningStep, *, as_of: datetime, error: str = "", is_card_refused: bool = False
) -> int:
    """Queue the mail of a step in the caller's transaction, once however often; return the number of recipients."""
    invoice, tenant = case.invoice, Tenant.objects.get(pk=case.tenant_id)
    profile = BillingProfile.objects.filter(pk=tenant.pk).first() or BillingProfile(tenant=tenant)
    issuer = Issuer.objects.get(pk=1)
    language = language_named(profile.language)
    facts = _facts(case, StepKind(step.kind), language, profile.card_label, issuer)
    letter = letter_of(StepKind(step.kind), replace(facts, error=error, is_card_refused=is_card_refused), language.say)
    context = {
        "letter": letter,
        "language": language.code,
        "issuer": issuer.legal_name,
        "url": payment_address(invoice, as_of=as_of) if letter.button else "",
        "note": language.say(
            "The link opens this invoice only. It works for {days} days.", days=str(settings.PAYMENT_LINK_DAYS)
        ),
    }
    recipients = recipients_of(tenant=tenant, kind=DUNNING)
    mail = NewMail(
        tenant_id=tenant.pk,
        kind=DUNNING.name,
        dedupe_key=f"dunning:{step.pk}",
        recipients=recipients,
        subject=letter.subject,
        text=render_to_string("billing/email/dunning.txt", context),
        html=render_to_string("billing/email/dunning.html", context),
        attachment=_document(invoice) if letter.button else None,
        page=f"invoices/{invoice.number}/",
    )
    queue_mails([mail], as_of=as_of)
    return len(recipients)


def _facts(case: DunningCase, kind: StepKind, language: Language, card: str, issuer: Issuer) -> LetterFacts:
    invoice, zone = case.invoice, issuer.time_zone
    assert invoice.number is not None, "a case is about an issued invoice"
    assert invoice.due_on is not None, "as above"
    planned = case.steps.filter(status=StepStatus.PLANNED).order_by("position")
    moments: dict[str, datetime] = {}
    for step in planned:
        moments.setdefault(step.kind, step.due_at)

    def day(of: StepKind) -> str:
        return language.day(local_day(moments[of], zone).isoformat()) if of in moments else ""

    is_charge = case.kind == CaseKind.CHARGE
    return LetterFacts(
        number=invoice.number,
        amount=language.money(invoice.amount_due_minor, invoice.currency),
        plan=case.subscription.plan_version.plan.name,
        due_day=language.day(invoice.due_on.isoformat()),
        card=language.retell(card) if kind in _CHARGES else "",
        next_charge_day=day(StepKind.RETRY),
        suspension_day="" if may_use(case.schedule, ServiceStage.SUSPENDED) else day(StepKind.SUSPEND),
        cancellation_day=day(StepKind.CANCEL),
        is_suspended=case.has_suspended,
        bank_account="" if is_charge else " ".join(issuer.bank_account.split()),
        reference="" if is_charge else printed_reference(creditor_reference(invoice.number)),
    )


def _document(invoice: Invoice) -> Attachment | None:
    stored = DocumentFile.objects.select_related("file").filter(pk=invoice.number or "").first()
    return None if stored is None else Attachment(stored.file, f"{invoice.number}.pdf")
