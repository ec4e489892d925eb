"""How the staff admin looks: titles, colours, side bar and dashboard of django-unfold.

The greens are the portal's. Entries of the side bar show to those who may open them.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    """Whether the user has a permission."""
    return lambda request: bool(request.user.has_perm(permission))


def _item(title: str, icon: str, model: str) -> dict[str, Any]:
    """An entry that leads to a model's list; `model` is app and name with an underscore between."""
    app, _, name = model.rpartition("_")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": _may(f"{app}.view_{name}"),
    }


NAVIGATION: list[dict[str, Any]] = [
    {
        "items": [
            {"title": "Dashboard", "icon": "monitoring", "link": reverse_lazy("admin:index")},
        ],
    },
    {
        "title": "Customers",
        "separator": True,
        "items": [
            _item("Tenants", "apartment", "accounts_tenant"),
            _item("People", "group", "accounts_user"),
            _item("API keys", "key", "accounts_apikey"),
            _item("Invitations", "mail", "accounts_invitation"),
        ],
    },
    {
        "title": "Money",
        "separator": True,
        "items": [
            _item("Invoices", "receipt_long", "billing_invoice"),
            _item("Subscriptions", "autorenew", "billing_subscription"),
            _item("Plans", "sell", "billing_plan"),
            _item("Payments", "payments", "billing_payment"),
            _item("Credit notes", "undo", "billing_creditnote"),
            _item("Exceptions", "report", "billing_billingexception"),
            _item("Alerts", "notifications", "billing_thresholdalert"),
            _item("Mails", "outgoing_mail", "notices_outboundmail"),
            _item("Outbox", "outbox", "notices_outboxevent"),
            _item("Tax rates", "percent", "billing_taxrate"),
            _item("Issuer", "domain", "billing_issuer"),
            _item("Number series", "tag", "billing_numberseries"),
        ],
    },
    {
        "title": "Metering",
        "separator": True,
        "items": [
            _item("Usage plans", "speed", "metering_usageplan"),
            _item("Meters", "straighten", "metering_meter"),
            _item("Event types", "category", "metering_eventtype"),
            _item("Refused events", "rule", "metering_ingestverdict"),
        ],
    },
    {
        "title": "Operations",
        "separator": True,
        "items": [
            _item("Schedules", "schedule", "django_q_schedule"),
            _item("Job runs", "task_alt", "accounts_jobrun"),
            _item("Failed tasks", "error", "django_q_failure"),
            _item("Finished tasks", "done_all", "django_q_success"),
            _item("Queue", "queue", "django_q_ormq"),
            _item("Audit log", "history", "accounts_auditentry"),
        ],
    },
    {
        "title": "Stripe",
        "separator": True,
        "collapsible": True,
        "items": [
            _item("Inbox", "move_to_inbox", "billing_stripeinboxevent"),
            _item("Pushed usage", "upload", "billing_usagepush"),
            _item("Customers", "badge", "djstripe_customer"),
            _item("Subscriptions", "autorenew", "djstripe_subscription"),
            _item("Invoices", "receipt_long", "djstripe_invoice"),
            _item("Events", "bolt", "djstripe_event"),
        ],
    },
    {
        "title": "Sign-in",
        "separator": True,
        "collapsible": True,
        "items": [
            _item("E-mail addresses", "alternate_email", "account_emailaddress"),
            _item("Second factors", "passkey", "mfa_authenticator"),
            _item("Sessions", "devices", "usersessions_usersession"),
            _item("Groups of staff", "admin_panel_settings", "auth_group"),
        ],
    },
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Countinghouse",
    "SITE_HEADER": "Countinghouse",
    "SITE_SUBHEADER": "Staff",
    "SITE_SYMBOL": "account_balance",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("portal/mark.svg")},  # noqa: ARG005 - unfold's signature
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "DASHBOARD_CALLBACK": "config.staff.dashboard.dashboard",
    "STYLES": [lambda request: static("admin/staff.css")],  # noqa: ARG005 - unfold's signature
    "COLORS": {
        "base": {
            "50": "#f6f8f5",
            "100": "#ebefe9",
            "200": "#dbe1d9",
            "300": "#c2ccc4",
            "400": "#93a299",
            "500": "#63726a",
            "600": "#47544d",
            "700": "#33403a",
            "800": "#22302a",
            "900": "#151e1a",
            "950": "#0e1512",
        },
        "primary": {
            "50": "#eef7f3",
            "100": "#dcede5",
            "200": "#b9dccd",
            "300": "#86dabd",
            "400": "#5fc7a3",
            "500": "#2a9d78",
            "600": "#0b5d47",
            "700": "#084736",
            "800": "#07382b",
            "900": "#062c22",
            "950": "#041c16",
        },
    },
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": NAVIGATION},
}
