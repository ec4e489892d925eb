"""The page for strangers."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """What this is, and the way in."""
    return render(request, "portal/landing.html", {"public_url": settings.PUBLIC_URL})
