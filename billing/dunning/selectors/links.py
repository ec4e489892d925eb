"""Links that open the page of one invoice without signing in: signed, and valid for some days.

The signature covers the invoice, its tenant and the end of the link. Whoever has the link sees this invoice's number
and amount, and may pay it; it opens nothing else.
"""

import base64
import binascii
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer

from billing.dunning.errors import PaymentLinkError
from billing.models import Invoice

_SALT: Final = "billing.dunning payment link"
_PARTS: Final = struct.Struct(">16s16sI")


@dataclass(frozen=True, slots=True)
class PaymentLink:
    """What a link names."""

    tenant_id: UUID
    invoice_id: UUID
    expires_at: datetime

    def is_expired(self, as_of: datetime) -> bool:
        """Return whether the link has ended."""
        return as_of >= self.expires_at


def payment_token(invoice: Invoice, *, as_of: datetime) -> str:
    """Return the signed token for an invoice. It is the same for a whole day, so that pages can be compared."""
    day = as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ends_at = day + timedelta(days=settings.PAYMENT_LINK_DAYS + 1)
    packed = _PARTS.pack(invoice.pk.bytes, invoice.tenant_id.bytes, int(ends_at.timestamp()))
    return Signer(salt=_SALT).sign(base64.urlsafe_b64encode(packed).decode())


def payment_address(invoice: Invoice, *, as_of: datetime) -> str:
    """Return the whole address of the page on which the invoice is paid without signing in."""
    return f"{settings.PUBLIC_URL}/pay/{payment_token(invoice, as_of=as_of)}/"


def read_payment_token(token: str) -> PaymentLink:
    """Return what a token names, also after its end. Raises `PaymentLinkError` if it is not one of ours."""
    try:
        packed = base64.urlsafe_b64decode(Signer(salt=_SALT).unsign(token))
        invoice, tenant, ends = _PARTS.unpack(packed)
    except (BadSignature, binascii.Error, struct.error, ValueError) as error:
        raise PaymentLinkError("This link is not valid.") from error
    return PaymentLink(UUID(bytes=tenant), UUID(bytes=invoice), datetime.fromtimestamp(ends, UTC))
