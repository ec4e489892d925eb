"""The side bar of the staff admin, including the copies of payment providers' objects."""

from typing import Any

from django.http import HttpRequest

from billing.collection.selectors.providers import described_providers
from config.staff.theme import NAVIGATION, link_to_model


def navigation(_request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of the side bar; the providers' are before the last one, which is about signing in."""
    groups = []
    for _, description in described_providers():
        listed = [mirrored for mirrored in description.mirror if mirrored.icon]
        if listed:
            items = [link_to_model(row.title, row.icon, row.label.lower().replace(".", "_")) for row in listed]
            groups.append({"title": description.title, "separator": True, "collapsible": True, "items": items})
    return [*NAVIGATION[:-1], *groups, NAVIGATION[-1]]
