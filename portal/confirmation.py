"""Confirmation of actions that cannot be undone: a dialog for requests by htmx, a page otherwise."""

from dataclasses import asdict, dataclass

from django.http import HttpResponse
from django.shortcuts import render

from portal.access import Portal, SignedInRequest


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The question, the label of the button, and the address for Cancel."""

    title: str
    text: str
    label: str
    back: str
    option: str = ""  # a second action that a checkbox offers; the form calls it `also`


def confirmation_page(request: SignedInRequest, portal: Portal, confirmation: Confirmation) -> HttpResponse:
    """Render the question; its form posts to the same address."""
    context = asdict(confirmation) | {"portal": portal, "action": request.path}
    return render(request, "portal/confirm_body.html" if request.htmx else "portal/confirm.html", context)
