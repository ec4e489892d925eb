"""The issuer of invoices, and the series of numbers."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.admin.base import ReadOnlyModelAdmin, StaffModelAdmin, staff_actor
from accounts.admin.pictures import PictureWidget
from accounts.admin.refusals import show_refusals
from accounts.domain.numbers import counted
from billing.domain.issuer import check_issuer
from billing.models import Issuer, NumberSeries
from billing.rendering.services.logos import BYTES_MAX, keep_logo, picture_of
from billing.services.invoicing.issuer import update_issuer
from metering.domain.periods import local_day

WHO = ("legal_name", "tax_id", "registration")
WHERE = ("address_line1", "address_line2", "postal_code", "city", "country", "email", "phone", "website")
TERMS = ("payment_days", "payment_terms", "grace_minutes", "bank_account", "footer")
APPROVALS = ("approval_above",)
CHANGES = ("fee_refund", "lets_customers_shrink_now")
NUMBERS = ("invoice_prefix", "credit_note_prefix", "time_zone")


class IssuerForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """A form that refuses values with which no invoice could be issued."""

    logo_file = forms.CharField(
        label="Logo",
        required=False,
        widget=PictureWidget,
        help_text=f"PNG or JPEG of at most {BYTES_MAX // 1000} kB, printed at the head of new documents.",
    )
    removes_logo = forms.BooleanField(label="Print no logo", required=False)

    class Meta:
        model = Issuer
        fields = (*WHO, *WHERE, *TERMS, *CHANGES, *APPROVALS, *NUMBERS, "unverified_tax_ids")

    def clean(self) -> dict[str, Any]:
        """Show the service's errors at their fields."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            show_refusals(self, lambda: check_issuer(cleaned))
            show_refusals(self, self._keep_logo)
        return cleaned

    def _keep_logo(self) -> None:
        """Store the picture. It is not in use until the issuer names it."""
        given = self.cleaned_data.get("logo_file")
        if self.cleaned_data.get("removes_logo"):
            self.cleaned_data["logo"] = ""
        elif given:
            self.cleaned_data["logo"] = keep_logo(content=picture_of(given), as_of=timezone.now())


@admin.register(Issuer)
class IssuerAdmin(StaffModelAdmin):
    """The issuer, of which there is one."""

    form = IssuerForm
    list_display = ("legal_name", "city", "country", "tax_id", "payment_days", "grace_minutes")
    change_form_before_template = "admin/billing/hint.html"
    fieldsets = (
        (None, {"fields": WHO}),
        ("Address", {"fields": WHERE}),
        ("Terms", {"fields": TERMS}),
        ("Logo", {"fields": ("logo_file", "removes_logo")}),
        ("Changes and ends", {"fields": CHANGES}),
        ("Four eyes", {"fields": APPROVALS}),
        ("Numbers", {"fields": NUMBERS}),
        ("Tax", {"fields": ("unverified_tax_ids",)}),
    )

    def save_model(self, request: HttpRequest, obj: Issuer, form: "forms.ModelForm[Issuer]", change: bool) -> None:  # noqa: ARG002, FBT001 - Django's signature
        """Update the issuer by the service, which writes the audit entry."""
        pictures = {"logo_file", "removes_logo"}
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name not in pictures}
        if "logo" in form.cleaned_data:
            changes["logo"] = form.cleaned_data["logo"]
        update_issuer(changes=changes, actor=staff_actor(request), as_of=timezone.now())

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """Leave the entry to the service that this page calls."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse to add an issuer: a migration created the only one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse to delete the issuer, which every invoice needs."""
        return False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Render the page with the number of the next invoice."""
        issuer = Issuer.objects.filter(pk=1).first()
        extra = {**(extra_context or {}), "hint": "" if issuer is None else _hint(issuer)}
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response


def _hint(issuer: Issuer) -> str:
    notice = "" if issuer.is_tax_confirmed else " Confirm who is charged which tax: no member of staff has done it yet."
    return f"{_next_number(issuer)}{notice}"


def _next_number(issuer: Issuer) -> str:
    code = f"{issuer.invoice_prefix}-{local_day(timezone.now(), issuer.time_zone).year}"
    last = NumberSeries.objects.filter(pk=code).values_list("last_number", flat=True).first() or 0
    return (
        f"The next invoice will be {code}-{last + 1:06}, due {counted(issuer.payment_days, 'days')} after its issue. "
        "Invoices that are finalized keep what they say; a new prefix begins a new series."
    )


@admin.register(NumberSeries)
class NumberSeriesAdmin(ReadOnlyModelAdmin):
    """The last number given in each series."""

    list_display = ("code", "last_number")
    search_fields = ("code",)
