"""`/keys`: a tenant's keys. The secret is only in the response to a creation or a rotation, once."""

from datetime import timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_of, principal_of
from accounts.api.fields import (
    BoundedListField,
    InstantField,
    QuantityField,
    StrictSerializer,
    TextField,
    WholeNumberField,
)
from accounts.api.idempotency import idempotent
from accounts.api.pagination import PAGE_PARAMETERS, read_page
from accounts.api.parsers import body_object
from accounts.api.schema import BODY_STATUSES, IDEMPOTENCY_PARAMETER, TENANT_PARAMETER, problems
from accounts.api.tenancy import require_active, tenant_of
from accounts.api.views import ApiView
from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import SCOPES_FOR_TENANT_KEYS, Scope
from accounts.keys.domain.labels import CHARACTERS_MAX, TAGS_MAX, checked_labels
from accounts.keys.selectors.facts import facts_of_key
from accounts.keys.services.api_keys import (
    CIDRS_MAX,
    GRACE_MAX,
    NAME_CHARACTERS_MAX,
    CreatedKey,
    KeyTerms,
    create_api_key,
    revoke_api_key,
    rotate_api_key,
)
from accounts.models import ApiKey
from accounts.selectors.api_keys import key_of_tenant, keys_page
from accounts.selectors.tenants import tenant_by_id

TENANT_KINDS: Final = (KeyKind.LIVE, KeyKind.TEST)


class ThrottleSchema(StrictSerializer):
    """A rate of requests a second, and a burst of requests at once."""

    rate = WholeNumberField(help_text="Requests per second.")
    burst = WholeNumberField(help_text="The most requests at once.")


class KeyInput(StrictSerializer):
    """A new key."""

    name = TextField(max_length=NAME_CHARACTERS_MAX)
    kind = serializers.ChoiceField(
        choices=[kind.value for kind in TENANT_KINDS], required=False, help_text="By default that of the calling key."
    )
    environment = TextField(
        max_length=CHARACTERS_MAX, required=False, allow_blank=True, default="", help_text="Such as `production`."
    )
    tags = BoundedListField(
        child=TextField(max_length=CHARACTERS_MAX),
        max_length=TAGS_MAX,
        required=False,
        default=list,
        help_text="Labels of your choice, in lower case.",
    )
    scopes = BoundedListField(
        child=TextField(max_length=30),
        max_length=20,
        help_text=f"Of: {', '.join(SCOPES_FOR_TENANT_KEYS)}; only scopes that the calling key has.",
    )
    expires_at = InstantField(
        required=False,
        allow_null=True,
        default=None,
        help_text="By default, and at the latest, when the calling key expires.",
    )
    allowed_cidrs = BoundedListField(
        child=TextField(max_length=50),
        max_length=CIDRS_MAX,
        required=False,
        default=list,
        help_text="By default those of the calling key; only networks within them.",
    )
    quota = QuantityField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Most API requests in a calendar month; by default, and at most, that of the calling key.",
    )
    throttle = ThrottleSchema(required=False, allow_null=True, default=None)


class RotationInput(StrictSerializer):
    """How long the old key continues to work."""

    grace_seconds = WholeNumberField(
        required=False,
        default=0,
        min_value=0,
        max_value=int(GRACE_MAX.total_seconds()),
        help_text="0 revokes the old key at once.",
    )


class KeySchema(serializers.Serializer[Any]):
    """A key without its secret."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in TENANT_KINDS])
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="The first 12 characters.")
    last_four = serializers.CharField()
    environment = serializers.CharField(allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField())
    scopes = serializers.ListField(child=serializers.CharField())
    allowed_cidrs = serializers.ListField(child=serializers.CharField())
    quota = QuantityField(allow_null=True)
    throttle = ThrottleSchema(allow_null=True)
    rotated_from = serializers.UUIDField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="When the key was last used, to the minute.")
    quarantined_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when it is refused because a secret scanner found it in public."
    )


class CreatedKeySchema(KeySchema):
    """A new key with its secret, shown this once."""

    secret = serializers.CharField()


class KeyPageSchema(serializers.Serializer[Any]):
    """A page of keys."""

    data = KeySchema(many=True)  # type: ignore[assignment] # the contract's name; DRF takes declared fields off the class
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


def present_key(key: ApiKey) -> dict[str, object]:
    """Return the JSON form of a key."""
    return facts_of_key(key).as_body()


def _kinds_seen(request: Request) -> tuple[KeyKind, ...]:
    """Return the kinds of key that the caller may see and change."""
    return TENANT_KINDS if principal_of(request).is_live else (KeyKind.TEST,)


def _label_of(request: Request, name: str) -> str:
    """Return a label to filter by. A text that is no label matches no key; a NUL never gets here."""
    return str(request.query_params.get(name, "")).strip().lower()[: CHARACTERS_MAX + 1]


def _created(created: CreatedKey) -> Response:
    body = {**present_key(created.key), "secret": created.secret}
    return Response(body, status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class KeysView(ApiView):
    """List and create keys."""

    scopes: ClassVar = {"GET": Scope.KEYS_MANAGE, "POST": Scope.KEYS_MANAGE}

    @extend_schema(
        operation_id="list_api_keys",
        tags=["API keys"],
        summary="List API keys",
        parameters=[
            *PAGE_PARAMETERS,
            OpenApiParameter("environment", str, description="Only keys of this environment."),
            OpenApiParameter("tag", str, description="Only keys with this tag."),
            TENANT_PARAMETER,
        ],
        responses={200: KeyPageSchema, **problems(404, 422)},
    )
    def get(self, request: Request) -> Response:
        """List the tenant's keys, including ended ones, newest first. A test key sees only test keys."""
        tenant, kinds = tenant_of(request), _kinds_seen(request)
        labels = {name: _label_of(request, name) for name in ("environment", "tag")}
        return Response(
            read_page(
                request, lambda page: keys_page(tenant_id=tenant.id, request=page, kinds=kinds, **labels), present_key
            )
        )

    @extend_schema(
        operation_id="create_api_key",
        tags=["API keys"],
        summary="Create an API key",
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        request=KeyInput,
        responses={201: CreatedKeySchema, **problems(*BODY_STATUSES, 402, 404, 409)},
    )
    @idempotent(is_sealed=True)
    def post(self, request: Request) -> Response:
        """Create a key that may do no more than the calling key: no scope, network, limit or time beyond its own.

        A test key creates test keys. The secret is only in this response.
        """
        principal, tenant = principal_of(request), tenant_of(request)
        require_active(tenant)
        given = KeyInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        terms = given.validated_data
        throttle = terms["throttle"] or {"rate": None, "burst": None}
        created = create_api_key(
            tenant=tenant_by_id(tenant.id),
            kind=KeyKind(terms.get("kind", KeyKind.LIVE if principal.is_live else KeyKind.TEST)),
            terms=KeyTerms(
                name=terms["name"],
                scopes=terms["scopes"],
                expires_at=terms["expires_at"],
                allowed_cidrs=terms["allowed_cidrs"],
                throttle_rate=throttle["rate"],
                throttle_burst=throttle["burst"],
                quota=terms["quota"],
            ),
            labels=checked_labels(environment=terms["environment"], tags=terms["tags"]),
            actor=actor_of(request),
            granted_by=principal,
            as_of=timezone.now(),
        )
        return _created(created)


class KeyRotationView(ApiView):
    """Replace a key."""

    scopes: ClassVar = {"POST": Scope.KEYS_MANAGE}

    @extend_schema(
        operation_id="rotate_api_key",
        tags=["API keys"],
        summary="Rotate an API key",
        parameters=[IDEMPOTENCY_PARAMETER, TENANT_PARAMETER],
        request=RotationInput,
        responses={201: CreatedKeySchema, **problems(*BODY_STATUSES, 402, 404, 409)},
    )
    @idempotent(is_sealed=True)
    def post(self, request: Request, key_id: UUID) -> Response:
        """Create a successor with the same terms. The old key works until the grace period ends.

        A key that may do more than the calling key is refused, and a test key finds only test keys.
        """
        tenant = tenant_of(request)
        require_active(tenant)
        given = RotationInput(data=body_object(request))
        given.is_valid(raise_exception=True)
        created = rotate_api_key(
            key=key_of_tenant(tenant_id=tenant.id, key_id=key_id, kinds=_kinds_seen(request)),
            grace=timedelta(seconds=given.validated_data["grace_seconds"]),
            actor=actor_of(request),
            granted_by=principal_of(request),
            as_of=timezone.now(),
        )
        return _created(created)


class KeyView(ApiView):
    """Revoke a key."""

    scopes: ClassVar = {"DELETE": Scope.KEYS_MANAGE}

    @extend_schema(
        operation_id="revoke_api_key",
        tags=["API keys"],
        summary="Revoke an API key",
        parameters=[TENANT_PARAMETER],
        responses={204: None, **problems(404, 422)},
    )
    def delete(self, request: Request, key_id: UUID) -> Response:
        """Revoke a key in every process within a second. Revoking it again changes nothing.

        A key that may do more than the calling key is refused, and a test key finds only test keys.
        """
        key = key_of_tenant(tenant_id=tenant_of(request).id, key_id=key_id, kinds=_kinds_seen(request))
        revoke_api_key(key=key, actor=actor_of(request), as_of=timezone.now(), granted_by=principal_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
