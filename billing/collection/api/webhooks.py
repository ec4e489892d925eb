"""Where Stripe delivers its events: dj-stripe's endpoint, behind a guard of ours (decision 0007).

The signature is checked on the raw bytes, the event is stored and committed, and only then answered; a worker does the rest. What is
refused leaves no trace. This is no call of the API: it needs no key, and its body may be 1 MiB.
"""

from typing import Final
from uuid import UUID

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django_q.tasks import async_task

from accounts.api.problems import BodyTooLargeError, MethodNotAllowedError, as_problem_error, render_problem
from accounts.errors import ProblemError
from billing.collection.services.inbox import receive_event

BODY_BYTES_MAX: Final = 1024 * 1024
TASK: Final = "billing.collection.tasks.process_stripe_events"


@csrf_exempt
def stripe_webhook(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Take one delivery. 200 means that the event is on disk."""
    try:
        if request.method != "POST":
            raise MethodNotAllowedError
        is_new = receive_event(
            endpoint_uuid=uuid,
            signature=request.headers.get("Stripe-Signature", ""),
            body=_body(request),
            as_of=timezone.now(),
        )
    except (ProblemError, OperationalError, InterfaceError, RequestDataTooBig, UnreadablePostError) as error:
        problem = as_problem_error(error)
        assert problem is not None, "each of these has a meaning to a client"
        return render_problem(request, problem, allowed_methods="POST")
    if is_new:
        async_task(TASK, group="stripe_inbox", task_name="Process what Stripe delivered")
    return HttpResponse(status=200)


def _body(request: HttpRequest) -> bytes:
    """The bytes as they came. Their length is looked at before they are read."""
    declared = str(request.META.get("CONTENT_LENGTH") or "0")
    if declared.isascii() and declared.isdigit() and int(declared) > BODY_BYTES_MAX:
        raise BodyTooLargeError("An event of Stripe's has at most 1 MiB.")
    return request.body  # never more than was declared
