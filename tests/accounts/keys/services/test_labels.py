"""Labels of a key change with an audit entry, and go on to its successor."""

from datetime import datetime, timedelta

import pytest

from accounts.errors import PermissionMissingError
from accounts.keys.domain.labels import KeyLabels
from accounts.keys.services.api_keys import CreatedKey, rotate_api_key
from accounts.keys.services.labels import label_api_key
from accounts.models import ApiKey, AuditEntry, User
from tests.accounts.conftest import SYSTEM, member


def test_labels_are_set_once_and_inherited(acme_key: CreatedKey, bob: User, vera: User, now: datetime) -> None:
    labels = KeyLabels("production", ("eu",))
    for _ in range(2):
        label_api_key(key=acme_key.key, labels=labels, actor=member(bob), as_of=now)
    entry = AuditEntry.objects.get(action="api_key.labelled")
    assert (entry.before["tags"], entry.after["tags"]) == ([], ["eu"])
    successor = rotate_api_key(key=acme_key.key, grace=timedelta(0), actor=SYSTEM, as_of=now).key
    assert (successor.environment, successor.tags) == ("production", ["eu"])
    with pytest.raises(PermissionMissingError):
        label_api_key(key=successor, labels=KeyLabels(), actor=member(vera), as_of=now)
    assert ApiKey.objects.get(pk=successor.pk).tags == ["eu"]
