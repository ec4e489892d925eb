"""The yardstick: Django and DRF without our code, under the same server.

Run by granian as a WSGI application of its own, with one middleware, no database and no key.
"""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(
    SECRET_KEY="of no worth",
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF=__name__,
    # Gives a response its length, so that the connection can be kept.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=["rest_framework"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
application = get_wsgi_application()

from rest_framework.request import Request  # noqa: E402 - needs the settings
from rest_framework.response import Response  # noqa: E402 - needs the settings
from rest_framework.views import APIView  # noqa: E402 - needs the settings


def django_view(request: HttpRequest) -> JsonResponse:
    """Return the least that Django returns."""
    return JsonResponse({"allowed": True})


class DrfView(APIView):
    """The least that DRF does, with a body to parse."""

    def post(self, request: Request) -> Response:
        """Parse and respond."""
        assert request.data
        return Response({"allowed": True})


urlpatterns = [path("django", django_view), path("drf", DrfView.as_view())]
