"""The scopes under which stores count: subjects and types are told apart, and never taken for a tenant or a key."""

from uuid import uuid4

from metering.domain.ledger import TENANT_SCOPE
from metering.domain.limit_scopes import SUBJECTS_SCOPE, event_type_scope, subject_scope


def test_each_subject_and_each_type_has_a_scope_of_its_own() -> None:
    key = uuid4()
    scopes = [
        TENANT_SCOPE,
        SUBJECTS_SCOPE,
        key,
        *(subject_scope(text) for text in ("ann", "Ann", "ann ", "", "a" * 255, key.hex)),
        *(event_type_scope(scope, kind) for scope in (TENANT_SCOPE, key, subject_scope("ann")) for kind in ("a", "b")),
    ]
    assert len(set(scopes)) == len(scopes)
    assert subject_scope("ann") == subject_scope("ann")
