"""Asking before something that cannot be undone: as a dialog where htmx asks for it, as a page everywhere else."""

from dataclasses import asdict, dataclass

from django.http import HttpResponse
from django.shortcuts import render

from portal.access import Portal, SignedInRequest


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The question, the word on the button, and where Cancel leads."""

    title: str
    text: str
    label: str
    back: str
    option: str = ""  # what a box offers to do along with it; the form calls it `also`


def confirmation_page(request: SignedInRequest, portal: Portal, confirmation: Confirmation) -> HttpResponse:
    """The question; its form posts to the address that was asked."""
    context = asdict(confirmation) | {"portal": portal, "action": request.path}
    return render(request, "portal/confirm_body.html" if request.htmx else "portal/confirm.html", context)
