"""Who sells: the one writer of the issuer's settings."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.changes import differing, update_changed
from billing.domain.issuer import check_issuer
from billing.models import Issuer


def update_issuer(*, changes: Mapping[str, object], actor: Actor, as_of: datetime) -> Issuer:
    """Update the issuer by name; invoices that are finalized keep what they say. Raises `InvalidFieldsError`."""
    with transaction.atomic():
        issuer = Issuer.objects.select_for_update().get(pk=1)
        settings = {field.attname: getattr(issuer, field.attname) for field in Issuer._meta.concrete_fields}  # noqa: SLF001 - Django documents it
        check_issuer(settings | dict(changes))
        changed = differing(issuer, changes)
        if changed:
            update_changed(issuer, changed)
            record_audit(
                actor=actor,
                action="issuer.updated",
                tenant_id=None,
                target=AuditTarget("issuer", issuer.pk, str(issuer)),
                before=changed.before,
                after=changed.after,
                as_of=as_of,
            )
    return issuer
