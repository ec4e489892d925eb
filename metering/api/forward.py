"""`GET /authorize/forward`: a gateway asks whether to let a request through, and it is counted if so.

For nginx `auth_request`, Traefik ForwardAuth, Caddy `forward_auth`, Envoy ext_authz: the client's key is in the headers
that the gateway passes on, and the response has no body that matters. A gateway knows four: let through, 401, 403 and,
if it is told how, 429.

The event's id is `X-Request-ID`, so that the gateway's log, which has the same id, does not count the request again. A
client may have chosen it; so an id that is known already counts as another request, under an id of ours.
"""

from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar, Final

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import principal_of
from accounts.api.request_facts import request_id_of
from accounts.api.schema import problems
from accounts.api.tenancy import require_active, tenant_of
from accounts.api.views import ApiView
from accounts.domain.identifiers import uuid7
from accounts.domain.principal import TenantFacts
from accounts.domain.reach import WayIn, way_in
from accounts.domain.scopes import Scope
from accounts.errors import ProblemError
from metering.api.parameters import refuse, text_of
from metering.api.rate_limit_headers import rate_limit_headers, refusal_error
from metering.api.reporting import rules_for
from metering.domain.event_input import parse_event
from metering.domain.events import ParsedEvent, Rejection
from metering.domain.forwarded import ContradictingHeadersError, forwarded_properties
from metering.domain.http_requests import EVENT_TYPE
from metering.domain.limit_policy import Decision
from metering.errors import EventConflictError, EventRefusedError
from metering.selectors.limits import tenant_limits
from metering.services.limits.authorization import authorize

TYPE: Final = "type"
DENY: Final = "deny"
DENY_AS_FORBIDDEN: Final = "403"
# What a gateway cannot pass on: to it, each of these means that the request does not pass.
FORBIDDEN: Final = frozenset({HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.NOT_FOUND})
FORBIDDEN_CODES: Final = frozenset({"tenant_missing", "contradicting_headers"})


class ForwardAuthorizeView(ApiView):
    """`GET /authorize/forward`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.EVENTS_WRITE}

    @extend_schema(
        operation_id="query_forward_authorization",
        summary="Query whether a gateway lets a request through",
        parameters=[
            OpenApiParameter(TYPE, str, description=f"The event type. By default `{EVENT_TYPE}`."),
            OpenApiParameter(
                DENY,
                str,
                enum=[DENY_AS_FORBIDDEN],
                description="`403` for nginx: a refusal for a limit is 403 instead of 429; its `code` stays.",
            ),
            *(
                OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description)
                for name, description in (
                    ("X-Original-URI", "The path of the request. Or `X-Forwarded-Uri`."),
                    ("X-Original-Method", "The method of the request. Or `X-Forwarded-Method`."),
                    ("X-Tenant", "Slug of the tenant; for service keys only."),
                )
            ),
            *(
                OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, response=[status])
                for status, name, description in (
                    (204, "X-Tenant", "Slug of the tenant."),
                    (204, "X-Api-Key-Id", "Id of the key."),
                    (204, "X-Plan", "Code of the usage plan, if the tenant has one."),
                    (403, "Retry-After", "With `deny=403`: seconds to wait before the next try."),
                )
            ),
        ],
        responses={204: None, **problems(404, 422, 429)},
        tags=["Authorization"],
    )
    def get(self, request: Request) -> Response:
        """Check whether a gateway may let a request through, and count it if so.

        The headers of a 204 name the tenant (`X-Tenant`), the key (`X-Api-Key-Id`) and the usage plan (`X-Plan`), for
        the service behind the gateway. A tenant that is suspended is 403 `subscription_inactive`.
        """
        as_of, denies_as_forbidden = timezone.now(), _denies_as_forbidden(request)
        try:
            principal, tenant = principal_of(request), tenant_of(request)
            require_active(tenant)
            decision = self._decision(request, tenant, as_of)
            if not decision.is_allowed:
                raise refusal_error(decision, as_of)
        except ProblemError as error:
            if error.status in FORBIDDEN or error.code in FORBIDDEN_CODES:
                error.status = int(HTTPStatus.FORBIDDEN)
            if error.status == HTTPStatus.TOO_MANY_REQUESTS and denies_as_forbidden:
                error.status = int(HTTPStatus.FORBIDDEN)
            raise
        named = {
            "X-Tenant": tenant.slug,
            "X-Api-Key-Id": str(principal.key_id),
            "X-Plan": tenant_limits(tenant.id).plan_code,
        }
        headers = {name: value for name, value in named.items() if value}
        return Response(status=HTTPStatus.NO_CONTENT, headers=headers | rate_limit_headers(decision.limits, as_of))

    def _decision(self, request: Request, tenant: TenantFacts, as_of: datetime) -> Decision:
        """Authorize and count the request. An id that is known is another request: it counts under an id of ours."""
        principal = principal_of(request)
        event = _event_of(request, tenant, request_id_of(request) or str(uuid7(as_of)), as_of)
        with way_in(WayIn.INGEST):
            try:
                authorized = authorize(principal=principal, tenant=tenant, event=event, as_of=as_of)
                if not authorized.is_duplicate:
                    return authorized.decision
            except EventConflictError:
                pass
            event = _event_of(request, tenant, str(uuid7(as_of)), as_of)
            return authorize(principal=principal, tenant=tenant, event=event, as_of=as_of).decision


def _event_of(request: Request, tenant: TenantFacts, event_id: str, as_of: datetime) -> ParsedEvent:
    """Return the event of the request that was forwarded; without its properties if they cannot be kept."""
    try:
        properties = forwarded_properties(request.headers)
    except ContradictingHeadersError as error:
        raise EventRefusedError(str(error), code="contradicting_headers") from error
    members: dict[str, Any] = {
        "id": event_id,
        "type": text_of(request, TYPE) or EVENT_TYPE,
        "properties": properties,
    }
    rules = rules_for(tenant, as_of, accepts_tenant=False)
    verdict = parse_event(members, 0, as_of, rules)
    if isinstance(verdict, Rejection) and verdict.pointer.startswith("/properties"):
        verdict = parse_event(members | {"properties": {}}, 0, as_of, rules)
    if isinstance(verdict, Rejection):
        refuse(TYPE, verdict.code, verdict.detail)
    return verdict


def _denies_as_forbidden(request: Request) -> bool:
    """Read `deny`. Raises 422 for any other value."""
    deny = request.query_params.get(DENY)
    if deny not in {None, DENY_AS_FORBIDDEN}:
        refuse(DENY, "invalid_choice", f"Leave it out, or give {DENY_AS_FORBIDDEN}.")
    return deny is not None
