"""`POST /embed-tokens`: a short-lived token that shows a tenant's figures in a frame of another site."""

from typing import Any, ClassVar

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import principal_of
from accounts.api.fields import BoundedListField, StrictSerializer, TextField, WholeNumberField
from accounts.api.parsers import body_object
from accounts.api.schema import BODY_STATUSES, TENANT_PARAMETER, problems
from accounts.api.tenancy import live_tenant_of
from accounts.api.views import ApiView
from accounts.domain.embed_token import SECONDS, SECONDS_MAX, SECONDS_MIN, Shown
from accounts.domain.scopes import Scope
from accounts.keys.services.embed_tokens import issue_embed_token

NOT_STORED = {"Cache-Control": "no-store"}


class EmbedTokenInput(StrictSerializer):
    """What the token shows, where, and for how long."""

    shows = BoundedListField(
        child=serializers.ChoiceField(choices=[shown.value for shown in Shown]),
        max_length=len(Shown),
        min_length=1,
        help_text="`usage` needs the key's scope `usage:read`, `spend` and `invoices` need `billing:read`.",
    )
    audience = TextField(
        max_length=200,
        help_text="The origin of the site that frames the pages, such as `https://app.example.com`: one of the "
        "operator's setting `EMBED_FRAME_ANCESTORS`.",
    )
    expires_in = WholeNumberField(
        required=False, default=SECONDS, min_value=SECONDS_MIN, max_value=SECONDS_MAX, help_text="Seconds."
    )


class EmbedTokenSchema(serializers.Serializer[Any]):
    """A token, and the addresses of the frames that it opens."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
    audience = serializers.CharField()
    frames = serializers.DictField(
        child=serializers.URLField(), help_text="By what is shown. Add `.json` before the query for the same as JSON."
    )


class EmbedTokensView(ApiView):
    """Issue embed tokens."""

    scopes: ClassVar = {"POST": Scope.KEYS_MANAGE}

    @extend_schema(
        operation_id="create_embed_token",
        tags=["API keys"],
        summary="Create an embed token",
        parameters=[TENANT_PARAMETER],
        request=EmbedTokenInput,
        responses={200: EmbedTokenSchema, **problems(404, *BODY_STATUSES)},
    )
    def post(self, request: Request) -> Response:
        """Create a token of at most an hour that shows usage, spend or invoices in a frame of your product.

        It reads nothing else, and calls no other part of the API. Your server creates it for the signed-in customer: a
        service key names the customer's tenant in `X-Tenant`. Revoking the key ends its tokens within a second.
        """
        asked = EmbedTokenInput(data=body_object(request))
        asked.is_valid(raise_exception=True)
        tenant, as_of = live_tenant_of(request), timezone.now()
        issued = issue_embed_token(
            principal=principal_of(request),
            tenant_id=tenant.id,
            shows=[Shown(name) for name in asked.validated_data["shows"]],
            audience=asked.validated_data["audience"],
            seconds=asked.validated_data["expires_in"],
            as_of=as_of,
        )
        token = issued.token
        frames = {shown: f"{settings.PUBLIC_URL}/embed/{shown}?token={issued.text}" for shown in sorted(token.shows)}
        body = {
            "token": issued.text,
            "expires_at": token.expires_at.replace(microsecond=0),
            "audience": token.site,
            "frames": frames,
        }
        return Response(body, headers=NOT_STORED)
