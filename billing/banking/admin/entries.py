"""Bank statements and their entries: imported, assigned to invoices, set aside, and taken back here."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import Question, found_or_404, holds, staff_actor
from accounts.admin.by_state import posted
from accounts.errors import ProblemError
from billing.admin.base import MoneyAdmin, WhyForm
from billing.banking.gateways.files import BYTES_MAX
from billing.banking.models import BankEntry, BankStatement, EntryStatus
from billing.banking.selectors.owed import owed_invoices, stated
from billing.banking.services.assigning import assign_entry, open_again, set_aside
from billing.banking.services.importing import Imported, import_statement
from billing.domain.money import money_text
from billing.models import Invoice

STATE_LABELS = {"Open": "warning", "Assigned": "success", "Set aside": "info"}


class ImportForm(forms.Form):
    """A file of the bank."""

    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget, help_text="camt.053 (XML), MT940 or CSV with column names, up to 5 MiB."
    )

    def clean_file(self) -> Any:
        """Refuse a file that is too large before it is read."""
        file = self.cleaned_data["file"]
        if file.size > BYTES_MAX:
            raise forms.ValidationError("At most 5 MiB.")
        return file


class AssignForm(forms.Form):
    """The invoice that an entry pays."""

    number = forms.CharField(label="Invoice", max_length=40, widget=UnfoldAdminTextInputWidget)

    def clean_number(self) -> Invoice:
        """Return the invoice with this number."""
        invoice = Invoice.objects.issued().filter(number=self.cleaned_data["number"].strip()).first()
        if invoice is None:
            raise forms.ValidationError("There is no invoice with this number.")
        return invoice  # type: ignore[no-any-return]


@admin.register(BankStatement)
class BankStatementAdmin(MoneyAdmin):
    """Imported statements. The button imports another one."""

    list_display = ("imported_at", "__str__", "format", "first_on", "last_on", "entries_total", "entries_known")
    search_fields = ("file_name",)
    fields = (
        "file_name", "format", "first_on", "last_on", "entries_total", "entries_known", "sha256", "imported_at",
        "imported_by",
    )  # fmt: skip
    actions_list: ClassVar = ["import_file"]

    has_import_permission = holds("banking.add_bankstatement")

    @action(description="Import a statement", permissions=["import"], icon="upload_file")
    def import_file(self, request: HttpRequest) -> HttpResponse:
        """Render the form for a file, or import it and say what it paid."""
        form = ImportForm(posted(request), request.FILES if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                done = import_statement(
                    content=file.read(), file_name=file.name, actor=staff_actor(request), as_of=timezone.now()
                )
            except ProblemError as error:
                form.add_error("file", error.detail)
            else:
                self.message_user(request, _said(done))
                return redirect(reverse("admin:banking_bankentry_changelist"))
        return self.confirmation_page(
            request,
            BankStatement(),
            form,
            question=Question(
                title="Import a bank statement",
                explanation="Entries with the reference of an unpaid invoice, or with its number or the customer's "
                "name and exactly its amount, pay it at once. The others wait for you. Entries that were imported "
                "before are recognised, so statements may overlap.",
                button="Import",
            ),
        )


def _said(done: Imported) -> str:
    parts = [f"{done.new} new entries", f"{done.assigned} paid an invoice", f"{done.waiting} wait for you"]
    return ", ".join([*parts, *([f"{done.known} were known"] if done.known else [])]) + "."


@admin.register(BankEntry)
class BankEntryAdmin(MoneyAdmin):
    """The entries of statements, the open ones first."""

    list_display = ("booked_on", "amount", "payer", "shown_text", "state", "shown_invoice", "matched_by")
    list_filter = (("status", ChoicesDropdownFilter), "currency")
    list_filter_submit = True
    list_select_related = ("invoice", "statement")
    search_fields = ("payer", "text", "invoice__number", "payer_account")
    ordering = ("-status", "-booked_on", "-pk")
    fields = (
        "booked_on", "amount", "payer", "payer_account", "text", "bank_reference", "account", "state",
        "shown_invoice", "matched_by", "note", "decided_by", "decided_at", "suggestions", "statement",
    )  # fmt: skip
    readonly_fields = ("amount", "state", "shown_invoice", "suggestions")
    actions_detail: ClassVar = ["assign", "set_entry_aside", "take_back"]

    has_decide_permission = holds("banking.change_bankentry")

    @display(description="Amount", ordering="amount_minor")
    def amount(self, entry: BankEntry) -> str:
        """Return it with its currency."""
        return money_text(entry.amount_minor, entry.currency)

    @display(description="Text")
    def shown_text(self, entry: BankEntry) -> str:
        """Return the beginning of the payer's text."""
        return entry.text if len(entry.text) <= 60 else f"{entry.text[:59]}…"  # noqa: PLR2004 - a column's width

    @display(description="State", ordering="status", label=STATE_LABELS)
    def state(self, entry: BankEntry) -> str:
        """Return what was decided."""
        return str(entry.get_status_display())

    @display(description="Invoice", empty_value="-")
    def shown_invoice(self, entry: BankEntry) -> SafeString | None:
        """Return a link to the invoice that it pays."""
        if entry.invoice is None:
            return None
        url = reverse("admin:billing_invoice_change", args=[entry.invoice_id])
        return format_html('<a href="{}">{}</a>', url, entry.invoice)

    @display(description="It may pay", empty_value="-")
    def suggestions(self, entry: BankEntry) -> SafeString | None:
        """Return links that assign an open entry, the likeliest first, with the reasons."""
        if entry.status != EntryStatus.OPEN:
            return None
        assign = reverse("admin:banking_bankentry_assign", args=[entry.pk])
        found = owed_invoices().suggest(stated(entry))
        rows = ((f"{assign}?number={one.number}", one.number, " and ".join(one.reasons)) for one in found)
        return format_html_join(mark_safe("<br>"), '<a href="{}">{}</a>: {}', rows) or None

    def offered(self, obj: BankEntry) -> frozenset[str]:
        """Return what the state allows."""
        if obj.status == EntryStatus.OPEN:
            return frozenset({"assign", "set_entry_aside"})
        return frozenset({"take_back"} if obj.amount_minor > 0 else ())

    @action(description="Assign to an invoice", permissions=["decide"], icon="link")
    def assign(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Render the question which invoice it pays, or assign it."""
        entry = found_or_404(BankEntry.objects.all(), object_id)
        form = AssignForm(posted(request), initial={"number": request.GET.get("number", "")})
        return self.decide(
            request,
            entry,
            form,
            lambda given: assign_entry(
                entry_id=entry.pk, invoice_id=given["number"].pk, actor=staff_actor(request), as_of=timezone.now()
            ),
            name="assign",
            said="Assigned.",
            question=Question(
                title=f"Which invoice do {money_text(entry.amount_minor, entry.currency)} pay?",
                explanation=f"{entry}: {entry.text or 'no text'}. Less than is due pays a part; what is over waits "
                "under Payments.",
                button="Assign",
            ),
        )

    @action(description="Set aside", permissions=["decide"], icon="inventory_2")
    def set_entry_aside(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Render the question for the reason, or set it aside."""
        entry = found_or_404(BankEntry.objects.all(), object_id)
        return self.decide(
            request,
            entry,
            WhyForm(posted(request), help_text="As in: the tax office's refund."),
            lambda given: set_aside(
                entry_id=entry.pk, reason=given["reason"], actor=staff_actor(request), as_of=timezone.now()
            ),
            name="set_entry_aside",
            said="Set aside.",
            question=Question(
                title=f"Set {entry} aside?",
                explanation="It is no payment of a customer. You can take that back.",
                button="Set aside",
            ),
        )

    @action(description="Take back", permissions=["decide"], icon="undo")
    def take_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Render the question for the reason, or take the decision back."""
        entry = found_or_404(BankEntry.objects.all(), object_id)
        return self.decide(
            request,
            entry,
            WhyForm(posted(request)),
            lambda given: open_again(
                entry_id=entry.pk, reason=given["reason"], actor=staff_actor(request), as_of=timezone.now()
            ),
            name="take_back",
            said="Taken back: the entry is open again.",
            question=Question(
                title=f"Take back what was decided about {entry}?",
                explanation="An invoice that it paid is owed again; the payment is booked out by reversing entries.",
                button="Take back",
            ),
        )
