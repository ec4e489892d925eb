"""`GET /credit-notes`: the credit notes of a tenant."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.schema import TENANT_PARAMETER, problems
from accounts.api.tenancy import live_tenant_of
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from billing.models import CreditNote, CreditTarget
from billing.selectors.facts import facts_of_credit_note
from billing.selectors.invoicing.invoices import credit_notes_page


class CreditNoteSchema(serializers.Serializer[Any]):
    """A document that credits an invoice, in whole or in part. Amounts are in the currency's minor unit."""

    number = serializers.CharField()
    invoice = serializers.CharField(help_text="The number of the credited invoice.")
    is_whole = serializers.BooleanField(help_text="Whether the whole invoice is credited.")
    goes_to = serializers.ChoiceField(
        choices=CreditTarget.values,
        allow_null=True,
        help_text="For a partial credit of a paid invoice: whether the money is refunded or pays the next invoices.",
    )
    currency = serializers.CharField()
    subtotal_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()
    carried_minor = serializers.IntegerField(
        help_text="Credit: negative if it was deducted after tax, positive if it is kept for later invoices."
    )
    total_minor = serializers.IntegerField()
    reason = serializers.CharField()
    issued_on = serializers.DateField()
    issued_at = serializers.DateTimeField()


class CreditNotePageSchema(serializers.Serializer[Any]):
    """A page of credit notes."""

    data = CreditNoteSchema(many=True)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class CreditNotesView(ApiView):
    """The list."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(
        operation_id="list_credit_notes",
        tags=["Credit notes"],
        summary="List credit notes",
        parameters=[*PAGE_PARAMETERS, TENANT_PARAMETER],
        responses={200: CreditNotePageSchema, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """List the credit notes, the newest first."""
        tenant = live_tenant_of(request)
        return Response(
            read_page(request, lambda page: credit_notes_page(tenant_id=tenant.id, request=page), credit_note_body)
        )


def credit_note_body(note: CreditNote) -> dict[str, object]:
    """Return a credit note as the API shows it."""
    return facts_of_credit_note(note).as_body()
