"""What tests of the admin's pages share: addresses, and the messages of a page."""

from datetime import datetime
from typing import Any

from django.contrib.admin.utils import quote
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from billing.models import Invoice, PlanVersion, Subscription
from tests.billing.world import first_invoice, make_plan, subscribe_tenant


def page(obj: Any, action: str = "change") -> str:
    meta = obj._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[quote(obj.pk)])
    return url.removesuffix("change/") + f"{action}/"


def listed(model: type[Any]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def said(response: HttpResponse) -> str:
    """Return the messages that the next page will show."""
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def act(client: Client, obj: Any, action: str, **given: object) -> str:
    """Confirm an action and return its message. The response redirects to a page."""
    response = client.post(page(obj, action), given)
    assert response.status_code == 302, response.content.decode()[:3000]
    return said(response)


def latest_entry() -> AuditEntry:
    return AuditEntry.objects.order_by("-pk")[0]


def sold(
    slug: str = "acme", *, plan: PlanVersion | None = None, as_of: datetime | None = None, **fields: Any
) -> Subscription:
    """Create a tenant that subscribed just now."""
    return subscribe_tenant(slug, plan=plan or make_plan(), as_of=as_of or timezone.now(), **fields)


def issued(slug: str = "acme", *, plan: PlanVersion | None = None) -> Invoice:
    """Issue the tenant's first invoice, over 49.00 EUR."""
    return first_invoice(sold(slug, plan=plan))
