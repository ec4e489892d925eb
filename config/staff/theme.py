"""The look of the staff admin: titles, colours, side bar and dashboard of django-unfold.

The greens are the portal's. An entry of the side bar is shown to those who may open it.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.text import format_lazy


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    """Return a check whether the user has a permission."""
    return lambda request: bool(request.user.has_perm(permission))


def link_to_model(title: str, icon: str, model: str, query: str = "") -> dict[str, Any]:
    """Return a link to a model's list; `model` is app and name with an underscore between."""
    app, _, name = model.rpartition("_")
    return {
        "title": title,
        "icon": icon,
        "link": format_lazy("{}{}", reverse_lazy(f"admin:{model}_changelist"), query),
        "permission": _may(f"{app}.view_{name}"),
    }


NAVIGATION: list[dict[str, Any]] = [
    {
        "items": [
            {"title": "Dashboard", "icon": "monitoring", "link": reverse_lazy("admin:index")},
            {
                "title": "Health of the books",
                "icon": "health_and_safety",
                "link": reverse_lazy("admin:books"),
                "permission": _may("accounts.view_discrepancy"),
            },
            {
                "title": "Books",
                "icon": "menu_book",
                "link": reverse_lazy("admin:reports"),
                "permission": _may("ledger.view_posting"),
            },
        ],
    },
    {
        "title": "Customers",
        "separator": True,
        "items": [
            link_to_model("Tenants", "apartment", "accounts_tenant"),
            link_to_model("People", "group", "accounts_user"),
            link_to_model("API keys", "key", "accounts_apikey"),
            link_to_model("Leaked keys", "gpp_maybe", "accounts_keyleak"),
            link_to_model("Invitations", "mail", "accounts_invitation"),
            link_to_model("Exports", "download", "exports_tenantexport"),
        ],
    },
    {
        "title": "Money",
        "separator": True,
        "items": [
            link_to_model("Invoices", "receipt_long", "billing_invoice"),
            link_to_model("Subscriptions", "autorenew", "billing_subscription"),
            link_to_model("Plans", "sell", "billing_plan"),
            link_to_model("Pricing questions", "quiz", "billing_pricingquestion"),
            link_to_model("Payments", "payments", "billing_payment"),
            link_to_model("Bank entries", "account_balance", "banking_bankentry"),
            link_to_model("Bank statements", "upload_file", "banking_bankstatement"),
            link_to_model("Past due", "schedule_send", "dunning_dunningcase"),
            link_to_model("Dunning schedules", "event_repeat", "dunning_dunningschedule"),
            link_to_model("Credit notes", "undo", "billing_creditnote"),
            link_to_model("Single items", "playlist_add", "billing_singleitem"),
            link_to_model("Set-offs", "price_check", "billing_creditsetoff"),
            link_to_model("Exceptions", "report", "billing_billingexception"),
            link_to_model("Approvals", "approval_delegation", "desk_approval"),
            link_to_model("Questions", "contact_support", "desk_linequestion"),
            link_to_model("Differences", "difference", "accounts_discrepancy"),
            link_to_model("Alerts", "notifications", "alerts_thresholdalert"),
            link_to_model("Alert thresholds", "speed", "alerts_ownthreshold"),
            link_to_model("Anomalies", "show_chart", "alerts_anomalyalert"),
            link_to_model("Budgets", "savings", "metering_budget"),
            link_to_model("Notices", "campaign", "notices_notice"),
            link_to_model("Mail style", "palette", "accounts_mailstyle"),
            link_to_model("Mails", "outgoing_mail", "notices_outboundmail"),
            link_to_model("Outbox", "outbox", "notices_outboxevent"),
            link_to_model("Webhook endpoints", "webhook", "webhooks_webhookendpoint"),
            link_to_model("Webhook deliveries", "send", "webhooks_webhookdelivery"),
            link_to_model("Channels", "forum", "channels_channel"),
            link_to_model("Notices to staff", "campaign", "channels_staffnotice"),
            link_to_model("Channel messages", "chat", "channels_channelmessage"),
            link_to_model("Tax rates", "percent", "billing_taxrate"),
            link_to_model("Tax registrations", "how_to_reg", "billing_taxregistration"),
            link_to_model("Tax id checks", "verified", "billing_taxidcheck"),
            link_to_model("Exchange rates", "currency_exchange", "billing_exchangerate"),
            link_to_model("Issuer", "domain", "billing_issuer"),
            link_to_model("Number series", "tag", "billing_numberseries"),
        ],
    },
    {
        "title": "Metering",
        "separator": True,
        "items": [
            link_to_model("Usage plans", "speed", "metering_usageplan"),
            link_to_model("Meters", "straighten", "metering_meter"),
            link_to_model("Event types", "category", "metering_eventtype"),
            link_to_model("Product codes", "barcode", "metering_productcode"),
            link_to_model("Reservations", "hourglass", "metering_reservation"),
            link_to_model("Refused events", "rule", "metering_ingestverdict"),
            link_to_model("Log sources", "podcasts", "metering_logsource"),
            link_to_model("Log files", "description", "metering_logfile"),
        ],
    },
    {
        "title": "Operations",
        "separator": True,
        "items": [
            link_to_model("Schedules", "schedule", "django_q_schedule"),
            link_to_model("External services", "electrical_services", "accounts_circuit"),
            link_to_model("Job runs", "task_alt", "accounts_jobrun"),
            link_to_model("Failed tasks", "error", "django_q_failure"),
            link_to_model("Finished tasks", "done_all", "django_q_success"),
            link_to_model("Queue", "queue", "django_q_ormq"),
            link_to_model("Audit log", "history", "accounts_auditentry"),
        ],
    },
    {
        "title": "Collection",
        "separator": True,
        "collapsible": True,
        "items": [
            link_to_model("Inbox", "move_to_inbox", "collection_inboxevent"),
            link_to_model("Reconciliation", "balance", "collection_paymentfinding"),
            link_to_model("Customers", "badge", "collection_providercustomer"),
            link_to_model("Agreements", "handshake", "collection_provideragreement"),
            link_to_model("Invoices", "receipt_long", "collection_providerinvoice"),
            link_to_model("Refunds", "currency_exchange", "collection_providerrefund"),
            link_to_model("Delayed invoices", "hourglass_empty", "collection_pushdelay"),
            link_to_model("Pushed usage", "upload", "collection_usagepush"),
        ],
    },
    {
        "title": "Sign-in",
        "separator": True,
        "collapsible": True,
        "items": [
            link_to_model("Sign-ins", "login", "accounts_auditentry", "?about=sign_in"),
            link_to_model("E-mail addresses", "alternate_email", "account_emailaddress"),
            link_to_model("Second factors", "passkey", "mfa_authenticator"),
            link_to_model("Single sign-on", "vpn_key", "socialaccount_socialaccount"),
            link_to_model("Sessions", "devices", "usersessions_usersession"),
            link_to_model("Groups of staff", "admin_panel_settings", "auth_group"),
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
    "COMMAND": {"search_callback": "config.staff.search.search_everything"},
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "config.staff.navigation.navigation",
    },
}
