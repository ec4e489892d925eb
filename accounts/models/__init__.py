"""Tables of the accounts app."""

from accounts.domain.actor import ActorKind
from accounts.domain.transitions import TenantStatus
from accounts.models.api_key import ApiKey
from accounts.models.audit_entry import AuditEntry
from accounts.models.circuit import Circuit, CircuitState
from accounts.models.discrepancy import Discrepancy
from accounts.models.idempotency_record import IdempotencyRecord
from accounts.models.job_run import JobOutcome, JobRun
from accounts.models.key_leak import KeyLeak
from accounts.models.key_use import KeyAddress, KeyRefusal
from accounts.models.mail_style import MailStyle
from accounts.models.stored_file import StoredFile
from accounts.models.tenant import Invitation, Membership, Tenant
from accounts.models.user import User

__all__ = [
    "ActorKind",
    "ApiKey",
    "AuditEntry",
    "Circuit",
    "CircuitState",
    "Discrepancy",
    "IdempotencyRecord",
    "Invitation",
    "JobOutcome",
    "JobRun",
    "KeyAddress",
    "KeyLeak",
    "KeyRefusal",
    "MailStyle",
    "Membership",
    "StoredFile",
    "Tenant",
    "TenantStatus",
    "User",
]
