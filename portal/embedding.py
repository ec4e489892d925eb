"""Access to the embedded pages: a token in the address, or as a bearer of JSON, opens one tenant's figures to read.

They use no session and set no cookie. Only the site that the token names may show them in a frame.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.domain.embed_token import EmbedToken, Shown
from accounts.domain.reach import Reach, WayIn, reaching, way_in
from accounts.errors import InvalidFieldsError
from accounts.models import Tenant
from accounts.selectors.embed_tokens import open_embed_token
from portal.forms.embed_theme import EmbedTheme, read_theme

NOT_VALID: Final = "This view has expired. Load the page that shows it again."
NOT_SHOWN: Final = "This view is not part of what was shared."


@dataclass(frozen=True, slots=True)
class Embed:
    """An opened view: whose figures, and when."""

    tenant: Tenant
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """What a view shows: as the JSON form says it, and what its template needs beside."""

    data: Mapping[str, Any]
    context: Mapping[str, Any]


def embed_page(shown: Shown) -> Callable[[Callable[[Embed], Figures]], Callable[..., HttpResponse]]:
    """Return the page of a function that reads its figures: HTML, and with `form` `json` the same as JSON."""

    def decorate(read: Callable[[Embed], Figures]) -> Callable[..., HttpResponse]:
        @require_safe
        def page(request: HttpRequest, form: str = "") -> HttpResponse:
            as_of = timezone.now()
            with way_in(WayIn.SIGN_IN):
                token = open_embed_token(_presented(request), as_of)
            try:
                theme = read_theme(request.GET.dict())
            except InvalidFieldsError as error:
                return _refusal(request, token, EmbedTheme(), status=422, detail=error.detail, form=form)
            if token is None:
                return _refusal(request, token, theme, status=401, detail=NOT_VALID, form=form)
            if shown not in token.shows:
                return _refusal(request, token, theme, status=403, detail=NOT_SHOWN, form=form)
            with reaching(Reach(token.tenant_id)):
                tenant = Tenant.objects.get(pk=token.tenant_id)
                with timezone.override(ZoneInfo(tenant.time_zone)):
                    figures = read(Embed(tenant, as_of))
                    response = _rendered(request, figures, theme, shown, form)
            return _framed(response, token)

        return page

    return decorate


@require_safe
def theme_css(request: HttpRequest) -> HttpResponse:
    """Return the style sheet of a theme; the page's policy allows no style within itself."""
    try:
        theme = read_theme(request.GET.dict())
    except InvalidFieldsError:
        theme = EmbedTheme()
    return HttpResponse(theme.css, content_type="text/css", headers={"Cache-Control": "public, max-age=3600"})


def _presented(request: HttpRequest) -> str:
    scheme, _, bearer = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else request.GET.get("token", "")


def _rendered(request: HttpRequest, figures: Figures, theme: EmbedTheme, shown: Shown, form: str) -> HttpResponse:
    if form == "json":
        return JsonResponse(dict(figures.data))
    return render(request, f"embed/{shown.value}.html", {**figures.context, "theme": theme})


def _refusal(
    request: HttpRequest, token: EmbedToken | None, theme: EmbedTheme, *, status: int, detail: str, form: str
) -> HttpResponse:
    if form == "json":
        return _framed(JsonResponse({"status": status, "detail": detail}, status=status), token)
    return _framed(render(request, "embed/problem.html", {"detail": detail, "theme": theme}, status=status), token)


def _framed(response: HttpResponse, token: EmbedToken | None) -> HttpResponse:
    """Return the response, which only the token's site may frame or read; without a token, every allowed site.

    A refusal shows no figures, so that wider circle may see it.
    """
    sites = settings.EMBED_FRAME_ANCESTORS if token is None else [token.site]
    response._csp_replace = {"frame-ancestors": sites or ["'none'"]}  # type: ignore[attr-defined]  # noqa: SLF001 - how django-csp is told by its own decorators
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Origin"
    if token is not None:
        response.headers["Access-Control-Allow-Origin"] = token.site
    return response
