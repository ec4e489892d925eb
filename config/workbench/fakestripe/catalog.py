"""Products, prices and tax rates."""

from decimal import Decimal
from typing import Any

from config.workbench.fakestripe.errors import Json, invalid, missing
from config.workbench.fakestripe.events import change, emit
from config.workbench.fakestripe.lists import page
from config.workbench.fakestripe.parameters import (
    choice,
    flag,
    merged_metadata,
    number,
    required,
    required_number,
    text,
)
from config.workbench.fakestripe.store import Store

INTERVALS = ("month", "year", "week", "day")


def create_product(store: Store, parameters: Json) -> Json:
    id_ = text(parameters, "id")
    if id_ in store.objects["product"]:
        raise invalid("Product already exists.", "id", "resource_already_exists")
    product = store.add(
        "product",
        **({"id": id_} if id_ else {}),
        active=flag(parameters, "active", default=True),
        default_price=None,
        description=text(parameters, "description"),
        images=[],
        marketing_features=[],
        metadata=merged_metadata({}, parameters),
        name=required(parameters, "name"),
        package_dimensions=None,
        shippable=None,
        statement_descriptor=None,
        tax_code=text(parameters, "tax_code"),
        type="service",
        unit_label=text(parameters, "unit_label"),
        updated=store.now(),
        url=text(parameters, "url"),
    )
    emit(store, "product.created", product)
    return product


def update_product(store: Store, parameters: Json, id_: str) -> Json:
    product = store.get("product", id_)
    fields: Json = {name: text(parameters, name) for name in ("name", "description", "url") if name in parameters}
    fields["active"] = flag(parameters, "active", default=product["active"])
    fields["metadata"] = merged_metadata(product["metadata"], parameters)
    return change(store, "product.updated", product, **fields)


def list_products(store: Store, parameters: Json) -> Json:
    return page(store, "product", parameters, url="/v1/products")


def retrieve_product(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("product", id_)


def create_price(store: Store, parameters: Json) -> Json:
    scheme = choice(parameters, "billing_scheme", ("per_unit", "tiered"), "per_unit")
    recurring = _recurring(store, parameters["recurring"]) if parameters.get("recurring") else None
    amount, decimal = _unit_amount(parameters)
    tiers = [_tier(tier) for tier in parameters.get("tiers") or []]
    if scheme == "tiered" and not tiers:
        raise missing("tiers")
    if scheme == "per_unit" and decimal is None:
        raise missing("unit_amount")
    price = store.add(
        "price",
        active=flag(parameters, "active", default=True),
        billing_scheme=scheme,
        currency=required(parameters, "currency").lower(),
        custom_unit_amount=None,
        lookup_key=_lookup_key(store, parameters),
        metadata=merged_metadata({}, parameters),
        nickname=text(parameters, "nickname"),
        product=_product_of_price(store, parameters),
        recurring=recurring,
        tax_behavior=text(parameters, "tax_behavior", "unspecified"),
        tiers_mode=text(parameters, "tiers_mode"),
        transform_quantity=None,
        type="recurring" if recurring else "one_time",
        unit_amount=amount,
        unit_amount_decimal=decimal,
        _tiers=tiers or None,
    )
    emit(store, "price.created", price)
    return price


def price_from_data(store: Store, data: Json) -> Json:
    """Create the price that `price_data` describes inline."""
    return create_price(store, data)


def update_price(store: Store, parameters: Json, id_: str) -> Json:
    price = store.get("price", id_)
    fields: Json = {"active": flag(parameters, "active", default=price["active"])}
    fields["metadata"] = merged_metadata(price["metadata"], parameters)
    if "nickname" in parameters:
        fields["nickname"] = text(parameters, "nickname")
    if "lookup_key" in parameters:
        fields["lookup_key"] = _lookup_key(store, parameters)
    return change(store, "price.updated", price, **fields)


def list_prices(store: Store, parameters: Json) -> Json:
    return page(store, "price", parameters, url="/v1/prices")


def retrieve_price(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("price", id_)


def create_tax_rate(store: Store, parameters: Json) -> Json:
    percentage = _percentage(required(parameters, "percentage"))
    rate = store.add(
        "tax_rate",
        active=flag(parameters, "active", default=True),
        country=text(parameters, "country"),
        description=text(parameters, "description"),
        display_name=required(parameters, "display_name"),
        effective_percentage=None,
        flat_amount=None,
        inclusive=flag({"inclusive": required(parameters, "inclusive")}, "inclusive", default=False),
        jurisdiction=text(parameters, "jurisdiction"),
        jurisdiction_level=None,
        metadata=merged_metadata({}, parameters),
        percentage=percentage,
        rate_type="percentage",
        state=text(parameters, "state"),
        tax_type=text(parameters, "tax_type"),
    )
    emit(store, "tax_rate.created", rate)
    return rate


def list_tax_rates(store: Store, parameters: Json) -> Json:
    return page(store, "tax_rate", parameters, url="/v1/tax_rates")


def retrieve_tax_rate(store: Store, _parameters: Json, id_: str) -> Json:
    return store.get("tax_rate", id_)


def _percentage(word: str) -> Any:
    """Return a number for JSON, which has only one kind: Stripe sends 19.0 for 19."""
    try:
        return float(Decimal(word))
    except ArithmeticError as error:
        raise invalid(f"Invalid decimal: {word}", "percentage", "parameter_invalid_decimal") from error


def _product_of_price(store: Store, parameters: Json) -> str:
    if data := parameters.get("product_data"):
        return str(create_product(store, data)["id"])
    return str(store.get("product", required(parameters, "product"), "product")["id"])


def _recurring(store: Store, given: Json) -> Json:
    usage = choice(given, "usage_type", ("licensed", "metered"), "licensed")
    if usage == "metered":
        if not given.get("meter"):
            message = "As of version `2025-03-31.basil`, metered prices must be backed by meters."
            raise invalid(message, "recurring[meter]")
        store.get("billing.meter", given["meter"], "recurring[meter]")
    return {
        "interval": choice(given, "interval", INTERVALS),
        "interval_count": number(given, "interval_count", 1),
        "meter": text(given, "meter"),
        "trial_period_days": None,
        "usage_type": usage,
    }


def _unit_amount(parameters: Json) -> tuple[int | None, str | None]:
    decimal = text(parameters, "unit_amount_decimal")
    if decimal is None:
        amount = number(parameters, "unit_amount")
        return amount, None if amount is None else str(amount)
    value = Decimal(decimal)
    return (int(value) if value == value.to_integral_value() else None), decimal


def _tier(given: Json) -> Json:
    amount, decimal = _unit_amount(given)
    flat = number(given, "flat_amount")
    return {
        "flat_amount": flat,
        "flat_amount_decimal": None if flat is None else str(flat),
        "unit_amount": amount,
        "unit_amount_decimal": decimal,
        "up_to": None if required(given, "up_to") == "inf" else required_number(given, "up_to"),
    }


def _lookup_key(store: Store, parameters: Json) -> str | None:
    key = text(parameters, "lookup_key")
    holders = store.all("price", lookup_key=key) if key else []
    for holder in holders:
        if not flag(parameters, "transfer_lookup_key", default=False):
            message = f"A price (`{holder['id']}`) already uses that lookup key."
            raise invalid(message, "lookup_key", "resource_already_exists")
        store.update(holder, lookup_key=None)
    return key
