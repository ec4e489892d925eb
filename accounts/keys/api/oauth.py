"""`POST /oauth/token`: a short-lived access token for an API key (OAuth 2.0, client credentials)."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.parsers import RawJSONParser
from accounts.api.request_facts import address_of
from accounts.api.schema import BODY_STATUSES, problems
from accounts.api.views import ApiView
from accounts.domain.reach import WayIn, way_in
from accounts.keys.domain.token_requests import GRANT_TYPE, TokenRequestError, parse_token_request
from accounts.keys.services.access_tokens import issue_access_token

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
BASIC = {"WWW-Authenticate": 'Basic realm="countinghouse"'}
NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class RawFormParser(RawJSONParser):
    """Passes on the bytes of a form, bounded as every body is."""

    media_type = FORM


class TokenRequestSchema(serializers.Serializer[Any]):
    """A request for a token. The client's credentials may be in HTTP Basic instead."""

    grant_type = serializers.ChoiceField(choices=[GRANT_TYPE])
    client_id = serializers.CharField(required=False, help_text="The id of the key, or its first 12 characters.")
    client_secret = serializers.CharField(required=False, help_text="The key.")
    scope = serializers.CharField(required=False, help_text="Scopes of the key, with spaces between; by default all.")


class AccessTokenSchema(serializers.Serializer[Any]):
    """A token, to be sent as `Authorization: Bearer`."""

    access_token = serializers.CharField()
    token_type = serializers.ChoiceField(choices=["Bearer"])
    expires_in = serializers.IntegerField(help_text="Seconds.")
    scope = serializers.CharField(help_text="The token's scopes, with spaces between.")


class TokenErrorSchema(serializers.Serializer[Any]):
    """A refusal, as RFC 6749 section 5.2 has it."""

    error = serializers.ChoiceField(
        choices=[
            "invalid_request",
            "invalid_client",
            "unauthorized_client",
            "unsupported_grant_type",
            "invalid_scope",
        ]
    )
    error_description = serializers.CharField()


def _refused(error: TokenRequestError) -> Response:
    said = {"error": error.code, "error_description": error.description}
    if error.is_about_client:
        return Response(said, status.HTTP_401_UNAUTHORIZED, headers=NOT_STORED | BASIC)
    return Response(said, status.HTTP_400_BAD_REQUEST, headers=NOT_STORED)


class TokenView(ApiView):
    """Issue tokens."""

    authentication_classes = ()
    permission_classes = ()
    parser_classes = (RawFormParser,)

    @extend_schema(
        operation_id="create_access_token",
        tags=["API keys"],
        summary="Create an access token",
        auth=[],
        request={FORM: TokenRequestSchema},
        responses={
            200: AccessTokenSchema,
            (400, JSON): OpenApiResponse(TokenErrorSchema, description="The request is refused."),
            (401, JSON): OpenApiResponse(TokenErrorSchema, description="The client is not known."),
            **problems(*BODY_STATUSES),
        },
    )
    def post(self, request: Request) -> Response:
        """Create a token for some minutes that may do what a key may, or less. Its limits are those of the key.

        For programs that must not hold a key: whatever holds the key fetches tokens for them. Revoking the key ends its
        tokens within a second.
        """
        body: bytes = request.data or b""  # type: ignore[assignment] # what the parser returns
        try:
            asked = parse_token_request(bytes(body), authorization=request.headers.get("Authorization", ""))
            with way_in(WayIn.SIGN_IN):
                issued = issue_access_token(request=asked, address=address_of(request), as_of=timezone.now())
        except TokenRequestError as error:
            return _refused(error)
        return Response(
            {
                "access_token": issued.text,
                "token_type": "Bearer",
                "expires_in": issued.expires_in_seconds,
                "scope": " ".join(sorted(issued.scopes)),
            },
            headers=NOT_STORED,
        )
