"""The public start page."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """Render the product's description, with links to sign in and sign up."""
    return render(request, "portal/landing.html", {"public_url": settings.PUBLIC_URL})
