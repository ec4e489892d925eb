"""How the staff admin looks: titles, colours, side bar and dashboard of django-unfold."""

from typing import Any

UNFOLD: dict[str, Any] = {"SITE_TITLE": "Countinghouse", "SITE_HEADER": "Countinghouse", "SITE_URL": "/"}
