"""Single sign-on by OpenID Connect, with stricter checks of the token than the library's.

The id token's signature, issuer, audience, time and nonce are checked at each sign-in, beside state and PKCE. Only its
claims are trusted. The address in it must be verified. An account that has the address already is never taken over:
its owner signs in and connects the provider. The provider for staff decides by a claim who is staff, at each sign-in.
The provider for customers makes no user staff, and opens no account of staff.
"""

from typing import Any, Final

import jwt
import requests
from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.flows.reauthentication import raise_if_reauthentication_required
from allauth.account.utils import get_next_redirect_url
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter, _build_apps_from_settings
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import constant_time_compare, get_random_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.api.request_facts import address_of, request_id_of
from accounts.api.sign_in_log import note_failure
from accounts.domain.actor import Actor, ActorKind
from accounts.gateways.web_session import BoundedSession
from accounts.models import User
from accounts.services.staff_rights import apply_provider_claim

STAFF: Final = "staff"
KEPT: Final = ("sub", "email", "email_verified", "name", "amr")
SIGNED_BY: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
NONCE_CHARACTERS: Final = 32
KNOWN_SECONDS, SILENT_SECONDS = 600, 10


class StrictOpenIDConnect(OpenIDConnectOAuth2Adapter):
    """The OpenID Connect adapter. It trusts only an id token that it has checked."""

    nonce = ""

    @property
    def openid_config(self) -> dict[str, Any]:
        """Return the provider's configuration, cached for some minutes. Raises `OAuth2Error` if the issuer differs.

        An unreachable provider is not called again for some seconds, so that its visitors do not all wait for it.
        """
        issuer = self.get_provider().app.settings["server_url"]
        key = f"openid-configuration:{issuer}"
        config: dict[str, Any] | None = cache.get(key)
        if config is None:
            try:
                config = dict(super().openid_config)
            except (requests.RequestException, ValueError) as error:
                cache.set(key, {}, SILENT_SECONDS)
                raise OAuth2Error("The provider's configuration could not be read.") from error
            cache.set(key, config, KNOWN_SECONDS)
        if config.get("issuer") != issuer:
            raise OAuth2Error("The provider's configuration names another issuer.")
        return config

    def complete_login(
        self,
        request: HttpRequest,
        app: SocialApp,
        token: SocialToken,  # noqa: ARG002 - allauth's signature
        **details: Any,
    ) -> SocialLogin:
        """Return the sign-in that the id token describes. Raises `OAuth2Error` if anything in it is wrong."""
        encoded = details["response"].get("id_token")
        if not encoded:
            raise OAuth2Error("The provider sent no id token.")
        claims = self._claims(app, encoded)
        kept: dict[str, Any] = {name: claims[name] for name in KEPT if name in claims}
        if app.provider_id == STAFF:
            kept["is_staff"] = _is_in_group(claims)
        login: SocialLogin = self.get_provider().sociallogin_from_response(request, {"id_token": kept})
        return login

    def _claims(self, app: SocialApp, encoded: str) -> dict[str, Any]:
        try:
            algorithm = jwt.get_unverified_header(encoded).get("alg")
            if algorithm not in SIGNED_BY:
                raise OAuth2Error("The id token is not signed by an asymmetric key.")
            claims: dict[str, Any] = jwtkit.verify_and_decode(
                credential=encoded,
                keys_url=self.openid_config["jwks_uri"],
                issuer=self.openid_config["issuer"],
                audience=app.client_id,
                lookup_kid=jwtkit.lookup_kid_jwk,
            )
        except (jwt.PyJWTError, KeyError, ValueError) as error:
            raise OAuth2Error("The id token could not be read.") from error
        if not self.nonce or not constant_time_compare(str(claims.get("nonce", "")), self.nonce):
            raise OAuth2Error("The id token was issued for another request.")
        if claims.get("azp", app.client_id) != app.client_id or "exp" not in claims:
            raise OAuth2Error("The id token was issued for another party, or never expires.")
        if claims.get("email_verified") not in (True, "true") or not claims.get("email"):
            raise OAuth2Error("The provider has not verified the address.")
        return claims


class StrictCallback(OAuth2CallbackView):
    """The callback view. It passes the nonce from this session's state to the check of the id token."""

    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[Any, Any]:
        state, response = super()._get_state(request, provider)
        if state is not None:
            self.adapter.nonce = state.get("nonce") or ""
        return state, response


@never_cache
@require_safe
def sso_login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the browser to the provider, with a state and a nonce that belong to its session."""
    provider = _strict(request, provider_id).get_provider()
    provider.oauth2_adapter_class = StrictOpenIDConnect
    nonce = get_random_string(NONCE_CHARACTERS)
    process = "connect" if request.GET.get("process") == "connect" and request.user.is_authenticated else "login"
    if process == "connect":
        raise_if_reauthentication_required(request, app="allauth.socialaccount")
    try:
        response: HttpResponse = provider.redirect(
            request,
            process=process,
            next_url=get_next_redirect_url(request),
            auth_params={"nonce": nonce} | provider.get_auth_params(),
            nonce=nonce,
        )
    except (OAuth2Error, KeyError) as error:
        return _failed(request, provider, error)
    return response


@never_cache
@require_safe
def sso_callback(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Handle the browser that the provider sends back."""
    strict = _strict(request, provider_id)
    try:
        response: HttpResponseBase = StrictCallback.adapter_view(strict)(request)
    except (OAuth2Error, KeyError) as error:
        return _failed(request, strict.get_provider(), error)
    return response


class SingleSignOnAdapter(DefaultSocialAccountAdapter):
    """The adapter that decides which accounts a provider opens."""

    def get_requests_session(self) -> BoundedSession:
        """Return the session by which allauth calls a provider."""
        return BoundedSession()

    def list_apps(
        self,
        request: HttpRequest,  # noqa: ARG002 - allauth's signature
        provider: str | None = None,
        client_id: str | None = None,
    ) -> list[SocialApp]:
        """Return only the providers of the settings; none is stored in the database."""
        found = _build_apps_from_settings(provider=provider, client_id=client_id)
        return [app for apps in found.values() for app in apps]

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Apply the provider's claim about staff. Raises `ImmediateHttpResponse` if the person may not sign in."""
        provider_id, user = sociallogin.account.provider, sociallogin.user
        if not any(address.verified for address in sociallogin.email_addresses):
            raise _refusal(request, provider_id, None, "Your provider has not verified your address.")
        if sociallogin.state.get("process") == "connect":
            user = request.user
        if provider_id != STAFF:
            if isinstance(user, User) and user.is_staff:
                raise _refusal(request, provider_id, user, "Staff sign in through the provider of staff.")
            return
        is_staff = sociallogin.account.extra_data["id_token"].get("is_staff", False)
        known = user if isinstance(user, User) and user.pk is not None else None
        if known is not None:
            ip, request_id = address_of(request) or None, request_id_of(request)
            actor = Actor(ActorKind.SYSTEM, "single sign-on", ip=ip, request_id=request_id)
            apply_provider_claim(user=known, is_staff=is_staff, provider=provider_id, actor=actor, as_of=timezone.now())
        if not is_staff:
            raise _refusal(request, provider_id, known, "Your organisation does not list you as staff here.")

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Return whether a new account may be created. The provider for staff vouches for its own people."""
        return sociallogin.account.provider == STAFF or bool(super().is_open_for_signup(request, sociallogin))

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        """Return the new user, with the full name."""
        user: User = super().populate_user(request, sociallogin, data)
        user.name = str(data.get("name") or "")[:150]
        user.is_staff = sociallogin.account.provider == STAFF
        return user

    def on_authentication_error(self, request: HttpRequest, provider: Any, **_: Any) -> None:
        """Record that a sign-in through the provider failed. The provider's log has the reason."""
        note_failure(request, "single_sign_on_failed", None, provider=provider.sub_id)


def note_factors_of_provider(request: HttpRequest, user: User, sociallogin: SocialLogin | None) -> None:
    """Count the provider's own second factor (`amr` of RFC 8176) as staff's, if it is the provider for staff."""
    if sociallogin is None or sociallogin.account.provider != STAFF:
        return
    amr = sociallogin.account.extra_data["id_token"].get("amr", [])
    if isinstance(amr, list) and "mfa" in amr:
        details = {"provider": STAFF, "uid": sociallogin.account.uid, "is_multi_factor": True}
        record_authentication(request, user, "socialaccount", **details)


def _failed(request: HttpRequest, provider: Any, error: Exception) -> HttpResponse:
    """Return the page that says the provider is unavailable, and record the failure."""
    response: HttpResponse = render_authentication_error(request, provider, exception=error)
    return response


def _strict(request: HttpRequest, provider_id: str) -> StrictOpenIDConnect:
    known = {app["provider_id"] for app in settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"]}
    if provider_id not in known:
        raise Http404
    return StrictOpenIDConnect(request, provider_id)


def _is_in_group(claims: dict[str, Any]) -> bool:
    """Return whether the claim is, or contains, the value that marks staff."""
    value = claims.get(settings.STAFF_OIDC_CLAIM)
    return settings.STAFF_OIDC_VALUE in (value if isinstance(value, list) else [value])


def _refusal(request: HttpRequest, provider_id: str, user: User | None, why: str) -> ImmediateHttpResponse:
    note_failure(request, "single_sign_on_refused", user, provider=provider_id)
    page = render(request, "socialaccount/authentication_error.html", {"why": why}, status=403)
    return ImmediateHttpResponse(page)
