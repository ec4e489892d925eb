"""The endpoint to which payment providers deliver their events (decision 0007).

The signature is checked on the raw bytes, the event is stored and committed, and only then the response is sent; a
worker does the rest. A refused delivery is not stored. This is not a call of the API: it needs no key, and its body
may be 1 MiB.
"""

from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django_q.tasks import async_task

from accounts.api.parsers import received_bytes
from accounts.api.problems import BodyTooLargeError, MethodNotAllowedError, as_problem_error, render_problem
from accounts.domain.reach import WayIn, way_in
from accounts.errors import ProblemError
from billing.collection.domain.provider import DeliveredRequest
from billing.collection.services.inbox import receive_event

BODY_BYTES_MAX: Final = 1024 * 1024
TASK: Final = "billing.collection.tasks.process_delivered"


@csrf_exempt
def provider_webhook(request: HttpRequest, provider: str, address: str = "") -> HttpResponse:
    """Receive one delivery. 200 means that the event is on disk."""
    try:
        if request.method != "POST":
            raise MethodNotAllowedError
        delivered = DeliveredRequest(address, request.headers, _body(request))
        with way_in(WayIn.PROVIDER):
            is_new = receive_event(provider_name=provider, request=delivered, as_of=timezone.now())
    except (ProblemError, OperationalError, InterfaceError, UnreadablePostError) as error:
        problem = as_problem_error(error)
        assert problem is not None, "each of these has a meaning to a client"
        return render_problem(request, problem, allowed_methods="POST")
    if is_new:
        async_task(TASK, group="inbox", task_name=f"Process what {provider} delivered")
    return HttpResponse(status=200)


def _body(request: HttpRequest) -> bytes:
    """Return the raw bytes of the body. Their length is checked before they are read."""
    declared = str(request.META.get("CONTENT_LENGTH") or "0")
    if declared.isascii() and declared.isdigit() and int(declared) > BODY_BYTES_MAX:
        raise BodyTooLargeError("An event has at most 1 MiB.")
    return received_bytes(request, BODY_BYTES_MAX)
