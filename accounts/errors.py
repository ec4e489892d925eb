"""Errors as values: every error that a client may get has a class here or in a higher app.

`ProblemError` is rendered by `accounts.api.problems` as RFC 9457 `application/problem+json`.
The `code` is part of the public contract; the `detail` is a sentence for a person and may change.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One refused field. `pointer` is a JSON Pointer (RFC 6901) into the request body."""

    pointer: str
    code: str
    detail: str


class ProblemError(Exception):
    """A refusal with a stable code. Subclasses fix `code`, `status` and `title`."""

    code = "refused"
    status = 422
    title = "The request was refused"

    def __init__(
        self,
        detail: str = "",
        *,
        field_errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
    ) -> None:
        """Set the `detail`, which says what was wrong with this request. `code` replaces the class's own."""
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.field_errors = field_errors
        self.headers = dict(headers or {})
        if code is not None:
            self.code = code


class MalformedBodyError(ProblemError):
    """The body is not JSON, or not of the call's form."""

    code = "malformed_body"
    status = 400
    title = "The body could not be read"


class InvalidFieldsError(ProblemError):
    """Well-formed, but a field's value is refused."""

    code = "invalid_fields"
    status = 422
    title = "A field was refused"


class NotAuthenticatedError(ProblemError):
    """No key, or one that is unknown, expired or revoked. The response does not say which."""

    code = "invalid_api_key"
    status = 401
    title = "A valid API key is needed"


class KeyQuarantinedError(NotAuthenticatedError):
    """The key was found in public. Only its bearer sees this."""

    code = "key_quarantined"
    title = "The key was found in public and is quarantined"


class ScopeMissingError(ProblemError):
    """The key is valid and lacks the scope."""

    code = "scope_missing"
    status = 403
    title = "The key lacks a scope"


class AudienceNotAllowedError(ProblemError):
    """The operator does not let this site show embedded pages."""

    code = "audience_not_allowed"
    status = 403
    title = "The site may not show embedded pages"


class SecondFactorMissingError(ProblemError):
    """A member of staff is signed in, and this session has not seen their second factor."""

    code = "second_factor_missing"
    status = 403
    title = "A second factor is needed"


class AddressNotAllowedError(ProblemError):
    """The key is valid and may not be used from this address."""

    code = "ip_not_allowed"
    status = 403
    title = "The key may not be used from this address"


class PermissionMissingError(ProblemError):
    """The member's role does not allow this."""

    code = "permission_denied"
    status = 403
    title = "Your role does not allow this"


class SubscriptionInactiveError(ProblemError):
    """The tenant is suspended or closed."""

    code = "subscription_inactive"
    status = 402
    title = "The subscription is not active"


class NotFoundError(ProblemError):
    """Not found, or another tenant's: the two look the same from outside."""

    code = "not_found"
    status = 404
    title = "Not found"


class ConflictError(ProblemError):
    """The request contradicts what is stored."""

    code = "conflict"
    status = 409
    title = "The request conflicts with what is stored"


class InvitationInvalidError(ProblemError):
    """An invitation that is unknown, used, revoked or expired. The response does not say which."""

    code = "invitation_invalid"
    status = 404
    title = "This invitation is no longer valid"


class LastOwnerError(ConflictError):
    """A tenant keeps at least one owner."""

    code = "last_owner"
    title = "A tenant keeps at least one owner"


class IdempotencyKeyReusedError(ProblemError):
    """The same Idempotency-Key with another request."""

    code = "idempotency_key_reused"
    status = 422
    title = "This Idempotency-Key was used for another request"


class IdempotencyInProgressError(ProblemError):
    """The first request under this Idempotency-Key is still running."""

    code = "idempotency_in_progress"
    status = 409
    title = "A request with this Idempotency-Key is still running"


class StoreUnavailableError(ProblemError):
    """A store we depend on is unavailable. Nothing was changed, or a retry is safe."""

    code = "store_unavailable"
    status = 503
    title = "A store is unavailable"

    def __init__(self, detail: str = "", *, retry_after_seconds: int = 1) -> None:
        """Set the `Retry-After` header to `retry_after_seconds`."""
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)})


class SlugTakenError(ConflictError):
    """Another tenant has this slug."""

    code = "slug_taken"
    title = "This slug is taken"


class TooManyTenantsError(ProblemError):
    """A person may own a limited number of tenants."""

    code = "too_many_tenants"
    title = "You own too many tenants"


class TenantStatusError(ConflictError):
    """A status that cannot follow the tenant's own."""

    code = "tenant_status"
    title = "The tenant's status does not allow this"


class TooManyKeysError(ProblemError):
    """A tenant may have a limited number of working keys."""

    code = "too_many_keys"
    title = "There are too many keys"


class KeyEndedError(ConflictError):
    """A key that is revoked, expired or already rotated is not rotated."""

    code = "key_ended"
    title = "This key can no longer be rotated"


class WiderThanOwnError(ProblemError):
    """A key cannot give another key more than it has itself."""

    code = "wider_than_own"
    status = 403
    title = "A key cannot give more than it has"


class AlreadyMemberError(ConflictError):
    """The person is already a member."""

    code = "already_member"
    title = "This person is a member already"


class TooManyInvitationsError(ProblemError):
    """A tenant may send a limited number of invitations, so that customers cannot mail strangers through us."""

    code = "too_many_invitations"
    status = 429
    title = "There are too many invitations"


class OtherAddressError(ProblemError):
    """The invitation was sent to another address than those that the person has verified."""

    code = "invitation_other_address"
    status = 403
    title = "This invitation is for another e-mail address"


class MailNotSentError(StoreUnavailableError):
    """The request was carried out, but its mail could not be sent."""

    code = "mail_not_sent"
    title = "The mail could not be sent"
