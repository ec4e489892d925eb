"""The account itself, its events, its webhook endpoints and its billing portal."""

import secrets

from config.workbench.fakestripe.customers import live_customer
from config.workbench.fakestripe.errors import Json
from config.workbench.fakestripe.lists import page
from config.workbench.fakestripe.parameters import merged_metadata, required, text
from config.workbench.fakestripe.rendering import list_of
from config.workbench.fakestripe.store import API_VERSION, Store

ACCOUNT_ID = "acct_1FakeStripe00000"


def retrieve_account(store: Store, _parameters: Json, *_ids: str) -> Json:
    name = store.account["name"]
    return {
        "id": ACCOUNT_ID,
        "object": "account",
        "business_profile": {"mcc": None, "name": name, "support_email": None, "support_phone": None, "url": None},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": store.account["country"],
        "created": 1_700_000_000,
        "default_currency": store.account["currency"],
        "details_submitted": True,
        "email": "billing@example.com",
        "external_accounts": list_of(f"/v1/accounts/{ACCOUNT_ID}/external_accounts", []),
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "dashboard": {"display_name": name, "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": "COUNTINGHOUSE FAKE"},
        },
        "type": "standard",
    }


def retrieve_event(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("event", id_)


def list_events(store: Store, parameters: Json) -> Json:
    return page(store, "event", parameters, url="/v1/events")


def create_endpoint(store: Store, parameters: Json) -> Json:
    endpoint = store.add(
        "webhook_endpoint",
        api_version=text(parameters, "api_version") or API_VERSION,
        application=None,
        description=text(parameters, "description"),
        enabled_events=required(parameters, "enabled_events"),
        metadata=merged_metadata({}, parameters),
        status="enabled",
        url=required(parameters, "url"),
        _secret="whsec_" + secrets.token_hex(16),
    )
    return endpoint | {"secret": endpoint["_secret"]}  # shown this once


def retrieve_endpoint(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("webhook_endpoint", id_)


def update_endpoint(store: Store, parameters: Json, id_: str) -> Json:
    endpoint = store.get("webhook_endpoint", id_)
    fields: Json = {name: parameters[name] for name in ("url", "enabled_events") if name in parameters}
    if "disabled" in parameters:
        fields["status"] = "disabled" if parameters["disabled"] == "true" else "enabled"
    return store.update(endpoint, **fields, metadata=merged_metadata(endpoint["metadata"], parameters))


def delete_endpoint(store: Store, _parameters: Json, id_: str) -> Json:
    store.get("webhook_endpoint", id_)
    store.remove("webhook_endpoint", id_)
    return {"id": id_, "object": "webhook_endpoint", "deleted": True}


def list_endpoints(store: Store, parameters: Json) -> Json:
    return page(store, "webhook_endpoint", parameters, url="/v1/webhook_endpoints")


def create_portal_session(store: Store, parameters: Json) -> Json:
    customer = live_customer(store, required(parameters, "customer"), "customer")
    return store.add(
        "billing_portal.session",
        configuration="bpc_1FakeStripe00000",
        customer=customer["id"],
        customer_account=None,
        flow=None,
        locale=None,
        on_behalf_of=None,
        return_url=text(parameters, "return_url"),
    )


def list_nothing(_store: Store, _parameters: Json, *_ids: str) -> Json:
    """Return an empty list, for what the fake does not have: tax ids, features, discounts."""
    return list_of("", [])
