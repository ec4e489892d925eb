"""*Connect your API*: `docs/connect.md` with the tenant's own address and key, and the clients that it names."""

from pathlib import Path
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from accounts.domain.scopes import Scope
from accounts.selectors.directory import USABLE, keys_matching
from portal.access import Portal, SignedInRequest, tenant_page
from portal.connect_page import CLOSING, PAGE, filled_in, sections_of
from portal.snippets import KEY_PLACEHOLDER

_TEXT: Final = PAGE.read_text()
_FOLDER: Final = Path(PAGE).parent / "clients"
_TYPES: Final = {".py": "text/x-python", ".mjs": "text/javascript"}
CLIENT_FILES: Final = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}


@tenant_page("connect")
def connect(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the ways to connect an API, each ready to paste but for the rest of the key, which is not stored."""
    usable = keys_matching(tenant_id=portal.tenant.pk, as_of=portal.as_of, state=USABLE)
    key = usable.filter(scopes__contains=[Scope.EVENTS_WRITE]).first()
    shown = KEY_PLACEHOLDER if key is None else f"{key.prefix}…"
    text = filled_in(_TEXT, url=settings.PUBLIC_URL, key=shown, slug=portal.tenant.slug)
    introduction, *ways = sections_of(text)
    closing = ways.pop()
    assert closing.title == CLOSING, closing.title
    context = {"portal": portal, "key": key, "introduction": introduction, "ways": ways, "closing": closing}
    return render(request, "portal/connect.html", context)


@require_safe
@cache_control(public=True, max_age=300)
def client_file(_: HttpRequest, name: str) -> HttpResponse:
    """Return a client of `docs/clients/`, to be copied by `curl -O`."""
    if name not in CLIENT_FILES:
        raise Http404
    return HttpResponse(CLIENT_FILES[name], content_type=f"{_TYPES[Path(name).suffix]}; charset=utf-8")
