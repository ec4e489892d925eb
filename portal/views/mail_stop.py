"""The page that stops mails of a kind, for whoever has the address from such a mail. It needs no sign-in.

Mail programs post to it themselves (RFC 8058), without a cookie or a token of a form. A visit alone stops nothing:
programs that check links open every address in a mail.
"""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.api.request_facts import address_of, request_id_of
from accounts.domain.reach import Reach, reaching
from accounts.errors import NotFoundError
from accounts.notices.selectors.kinds import kind_named
from accounts.notices.selectors.stops import read_stop_token
from accounts.notices.services.stopping import stop_mails
from portal.rate_limit import Rate, is_too_often

NOT_FOUND: Final = 404
TOO_MANY: Final = 429
STOPS: Final = Rate("mail stop", 60, 60)


@csrf_exempt  # the signature in the address is what allows it
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def mail_stop(request: HttpRequest, token: str) -> HttpResponse:
    """Render the question; after a POST, stop the mails."""
    as_of, address = timezone.now(), address_of(request)
    if is_too_often(STOPS, address, as_of=as_of):
        return _page(request, {"problem": "too_often"}, TOO_MANY)
    try:
        stop = read_stop_token(token)
        kind = kind_named(stop.kind)
        if request.method == "POST":
            with reaching(Reach(stop.tenant_id)):
                member, _ = stop_mails(stop=stop, ip=address or None, request_id=request_id_of(request), as_of=as_of)
            return _page(request, {"is_stopped": True, "kind": kind, "tenant": member.tenant})
    except NotFoundError as error:
        return _page(request, {"problem": error.detail}, NOT_FOUND)
    return _page(request, {"kind": kind})


def _page(request: HttpRequest, context: dict[str, object], status: int = 200) -> HttpResponse:
    return render(request, "portal/mail_stop.html", context, status=status)
