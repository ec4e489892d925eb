"""Errors as RFC 9457 `application/problem+json`, whichever layer raised them.

`as_problem_error` maps each exception to the error that a client sees; the rest renders.
Any other exception is an error of our own: it is logged with its traceback, and the response is a 500.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException, UnreadablePostError
from rest_framework import exceptions
from rest_framework.request import Request

from accounts.api.outages import is_outage
from accounts.api.renderers import encode_json
from accounts.api.request_facts import request_id_of
from accounts.domain.masking import mask_secrets
from accounts.errors import (
    FieldError,
    InvalidFieldsError,
    MalformedBodyError,
    NotAuthenticatedError,
    NotFoundError,
    PermissionMissingError,
    ProblemError,
    StoreUnavailableError,
)

CONTENT_TYPE: Final = "application/problem+json"
WWW_AUTHENTICATE: Final = 'Bearer realm="countinghouse"'
TYPE_PREFIX: Final = "/docs/errors#"
ERRORS_SHOWN_MAX: Final = 20
# DRF's codes for a body of the wrong shape; every other code is a refused value.
FORM_CODES: Final = frozenset({"required", "null", "not_a_list", "not_a_dict", "unknown_field", "invalid_type"})


class MethodNotAllowedError(ProblemError):
    """The path exists, with other methods."""

    code = "method_not_allowed"
    status = 405
    title = "This method is not allowed here"


class NotAcceptableError(ProblemError):
    """No media type in `Accept` is available."""

    code = "not_acceptable"
    status = 406
    title = "None of the accepted media types is available"


class LengthRequiredError(ProblemError):
    """The server cannot find the end of the body."""

    code = "length_required"
    status = 411
    title = "The body needs a length"


class BodyTooLargeError(ProblemError):
    """The body, unpacked, is larger than we read."""

    code = "body_too_large"
    status = 413
    title = "The body is too large"


class AddressTooLongError(ProblemError):
    """The path with its query is longer than we read."""

    code = "address_too_long"
    status = 414
    title = "The address is too long"


class MediaTypeError(ProblemError):
    """A `Content-Type` or `Content-Encoding` that the call does not take."""

    code = "unsupported_media_type"
    status = 415
    title = "The call does not take this media type"


class BadRequestError(ProblemError):
    """A request that breaks HTTP, or an address that cannot be read."""

    code = "bad_request"
    status = 400
    title = "The request could not be read"


class HeadersTooLargeError(ProblemError):
    """The header lines together are larger than we read."""

    code = "headers_too_large"
    status = 431
    title = "The headers are too large"


class TooManyRequestsError(ProblemError):
    """Raised by DRF's own throttles, if an adopter uses them."""

    code = "throttled"
    status = 429
    title = "Too many requests"


class InternalError(ProblemError):
    """An error of our own."""

    code = "internal_error"
    status = 500
    title = "Something went wrong on our side"


BY_STATUS: Final[dict[int, type[ProblemError]]] = {
    400: BadRequestError,
    401: NotAuthenticatedError,
    403: PermissionMissingError,
    404: NotFoundError,
    405: MethodNotAllowedError,
    406: NotAcceptableError,
    411: LengthRequiredError,
    413: BodyTooLargeError,
    414: AddressTooLongError,
    415: MediaTypeError,
    431: HeadersTooLargeError,
    503: StoreUnavailableError,
}


# The first that matches counts.
MEANINGS: Final[tuple[tuple[tuple[type[Exception], ...], Callable[[], ProblemError]], ...]] = (
    ((Http404,), NotFoundError),
    ((PermissionDenied,), PermissionMissingError),
    ((RequestDataTooBig,), BodyTooLargeError),
    (
        (UnreadablePostError, RawPostDataException, MultiPartParserError),
        lambda: BadRequestError("The body is incomplete."),
    ),
    ((SuspiciousOperation, BadRequest), BadRequestError),
)


def as_problem_error(exception: Exception) -> ProblemError | None:
    """Return the error that an exception means to a client, or None if it is an error of our own."""
    if isinstance(exception, ProblemError):
        return exception
    if isinstance(exception, exceptions.APIException):
        return _from_rest_framework(exception)
    if is_outage(exception):
        return StoreUnavailableError("A store is unavailable. Nothing was stored; try again.")
    for kinds, error in MEANINGS:
        if isinstance(exception, kinds):
            return error()
    return None


def _from_rest_framework(exception: exceptions.APIException) -> ProblemError:
    if isinstance(exception, exceptions.ValidationError):
        return _from_validation(exception)
    detail = str(exception.detail)
    if isinstance(exception, exceptions.ParseError):
        return MalformedBodyError(detail)
    if isinstance(exception, exceptions.Throttled):
        return TooManyRequestsError(detail, headers={"Retry-After": str(int(getattr(exception, "wait", None) or 1))})
    known = BY_STATUS.get(exception.status_code, BadRequestError)
    return known(detail)


def _from_validation(exception: exceptions.ValidationError) -> ProblemError:
    field_errors = tuple(_field_errors(exception.get_full_details(), ""))
    is_malformed = any(error.code in FORM_CODES or error.pointer == "" for error in field_errors)
    refusal = MalformedBodyError if is_malformed else InvalidFieldsError
    detail = "; ".join(f"{error.pointer or '/'}: {error.detail}" for error in field_errors[:3])
    return refusal(detail, field_errors=field_errors)


def _field_errors(details: Any, pointer: str) -> Iterator[FieldError]:
    """Flatten DRF's tree of errors into JSON Pointers."""
    if (
        isinstance(details, Mapping)
        and set(details) == {"message", "code"}
        and not isinstance(details["message"], Mapping | list)
    ):
        yield FieldError(pointer, str(details["code"]), str(details["message"]))
    elif isinstance(details, Mapping):
        for name, inner in details.items():
            own = "" if name == "non_field_errors" else f"/{escape_pointer(str(name))}"
            yield from _field_errors(inner, pointer + own)
    else:
        for position, inner in enumerate(details):
            is_message = isinstance(inner, Mapping) and set(inner) == {"message", "code"}
            yield from _field_errors(inner, pointer if is_message else f"{pointer}/{position}")


def escape_pointer(name: str) -> str:
    """Escape one step of a JSON Pointer (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def problem_body(request: HttpRequest | Request, error: ProblemError) -> dict[str, object]:
    """Return the members of the problem."""
    body: dict[str, object] = {
        "type": TYPE_PREFIX + type(error).code,  # while `code` may be that of the refused field
        "title": error.title,
        "status": error.status,
        "detail": mask_secrets(error.detail),
        "instance": quote(mask_secrets(request.path)),
        "code": error.code,
        "request_id": request_id_of(request),
    }
    if error.field_errors:
        body["errors"] = [
            {"pointer": mask_secrets(field.pointer), "code": field.code, "detail": mask_secrets(field.detail)}
            for field in error.field_errors[:ERRORS_SHOWN_MAX]
        ]
    omitted = len(error.field_errors) - ERRORS_SHOWN_MAX
    if omitted > 0:
        body["errors_omitted"] = omitted
    return body


def render_problem(request: HttpRequest | Request, error: ProblemError, *, allowed_methods: str = "") -> HttpResponse:
    """Render a problem, with the headers that its status requires."""
    response = HttpResponse(encode_json(problem_body(request, error)), status=error.status, content_type=CONTENT_TYPE)
    if error.status == NotAuthenticatedError.status:
        response["WWW-Authenticate"] = WWW_AUTHENTICATE
    if error.status == MethodNotAllowedError.status and allowed_methods:
        response["Allow"] = allowed_methods
    for name, value in error.headers.items():
        response[name] = value
    return response


def problem_response(exception: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Handle an exception for DRF. None passes an error of our own on to the place where it is logged."""
    error = as_problem_error(exception)
    return None if error is None else render_problem(context["request"], error)


def problem_for_status(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Convert an error page that Django made outside the API views to a problem."""
    error = BY_STATUS.get(
        response.status_code, InternalError if response.status_code >= InternalError.status else BadRequestError
    )()
    error.status = response.status_code
    return render_problem(request, error, allowed_methods=response.get("Allow", ""))
