"""The base class of every API view, and the response for unknown paths."""

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api import schema  # noqa: F401 - tells drf-spectacular of our authentication
from accounts.api.parsers import BODY_BYTES_MAX, django_request, give_length
from accounts.api.problems import as_problem_error, render_problem
from accounts.domain.principal import Principal
from accounts.domain.scopes import Scope
from accounts.errors import NotFoundError
from accounts.services.key_use import note_refusal

METHODS = ("get", "post", "put", "patch", "delete")


class ApiView(APIView):
    """A view of the API: authenticated by key, authorized by scope, exact JSON both ways, errors as problems.

    `scopes` names the scope for each method; a subclass that forgets one fails at import, unless it names other
    `permission_classes`. A call that takes batches has a larger `body_bytes_max`.
    """

    http_method_names = [*METHODS, "head"]
    scopes: ClassVar[dict[str, Scope]] = {}
    body_bytes_max: ClassVar[int] = BODY_BYTES_MAX

    def __init_subclass__(cls, **options: Any) -> None:
        """Check that no method is open by mistake."""
        super().__init_subclass__(**options)
        if "permission_classes" not in {name for base in cls.__mro__ if base is not APIView for name in vars(base)}:
            handled = {method.upper() for method in METHODS if hasattr(cls, method)}
            assert handled <= set(cls.scopes), f"{cls.__name__} names no scope for {handled - set(cls.scopes)}"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate the caller before a chunked body is read."""
        super().initial(request, *args, **kwargs)
        give_length(django_request(request), self.body_bytes_max)

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override] # DRF finishes any HttpResponse
        """Return a problem. An error of our own passes on to the place where it is logged."""
        error = as_problem_error(exc)
        if error is None:
            raise exc
        caller = getattr(self.request, "_auth", None)  # `auth` would authenticate again, and fail again
        if isinstance(caller, Principal):
            note_refusal(key_id=caller.key_id, code=error.code, as_of=timezone.now())
        self.headers.pop("Allow", None)
        return render_problem(self.request, error, allowed_methods=", ".join(self.allowed_methods))


@csrf_exempt
def unknown_path(request: HttpRequest, path: str = "") -> HttpResponse:  # noqa: ARG001 - the URL pattern's argument
    """Return 404 for any other path below /api/."""
    return render_problem(request, NotFoundError("This path does not exist in the API."))
