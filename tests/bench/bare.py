"""The yardstick: Django and DRF with nothing of ours, under the same server.

Run by granian as a WSGI application of its own; one middleware, no database, no key.
"""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

settings.configure(
    SECRET_KEY="of no worth",
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF=__name__,
    # Gives an answer its length, so that the line can be kept.
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
    """The least that Django does."""
    return JsonResponse({"allowed": True})


class DrfView(APIView):
    """The least that DRF does, with a body to parse."""

    def post(self, request: Request) -> Response:
        """Parse and answer."""
        assert request.data
        return Response({"allowed": True})


urlpatterns = [path("django", django_view), path("drf", DrfView.as_view())]
