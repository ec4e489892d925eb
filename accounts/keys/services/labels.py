"""Change the labels of a key."""

from datetime import datetime

from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.roles import Capability
from accounts.keys.domain.labels import KeyLabels
from accounts.models import ApiKey
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.rights import lock_tenant, require_capability


@transaction.atomic
def label_api_key(*, key: ApiKey, labels: KeyLabels, actor: Actor, as_of: datetime) -> None:
    """Set the labels of a tenant's key, in whatever state it is. Raises `PermissionMissingError`."""
    assert key.tenant_id is not None, "the operator's keys have no labels"
    lock_tenant(key.tenant_id)
    require_capability(actor, key.tenant_id, Capability.MANAGE_KEYS)
    current: ApiKey = ApiKey.objects.select_for_update(of=("self",)).get(pk=key.pk)
    before = {"environment": current.environment, "tags": current.tags}
    after = {"environment": labels.environment, "tags": list(labels.tags)}
    if before == after:
        return
    ApiKey.objects.filter(pk=key.pk).update(**after)
    record_audit(
        actor=actor,
        action="api_key.labelled",
        tenant_id=key.tenant_id,
        target=AuditTarget("api_key", key.pk, str(current)),
        before=before,
        after=after,
        as_of=as_of,
    )
