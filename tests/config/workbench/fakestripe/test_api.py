"""The rules of every call: keys, parameters, errors, pages of lists, expansion, idempotency."""

import http.client
import json

import pytest
import stripe

from config.workbench.fakestripe.errors import Json
from config.workbench.fakestripe.known_parameters import refuse_unknown
from config.workbench.fakestripe.parameters import decode
from config.workbench.fakestripe.routes import ROUTES
from config.workbench.fakestripe.server import FakeStripe

UNNAMED: Json = {"description": "without a name"}
UNKNOWN: Json = {"plan": "gold"}
CALLS_OF_A_STRANGER = [
    ({}, "You did not provide an API key"),
    ({"Authorization": "Bearer sk_live_countinghouseFakeStripe000"}, "Invalid API Key provided"),
    ({"Authorization": "Bearer sk_test_short"}, "Invalid API Key provided"),
    ({"Authorization": "Basic !!!"}, "You did not provide an API key"),
]


def ask(fake: FakeStripe, method: str, path: str, headers: dict[str, str], body: str = "") -> tuple[int, Json, Json]:
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"), timeout=5)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = response.status, dict(response.headers), json.loads(response.read())
    connection.close()
    return answer


@pytest.mark.parametrize(("headers", "message"), CALLS_OF_A_STRANGER)
def test_a_call_without_a_test_key_is_refused(fake_stripe: FakeStripe, headers: dict[str, str], message: str) -> None:
    status, _, body = ask(fake_stripe, "GET", "/v1/customers", headers)
    assert status == 401
    assert body["error"]["message"].startswith(message)


def test_the_key_may_come_as_the_user_of_basic_authentication(fake_stripe: FakeStripe) -> None:
    basic = "Basic c2tfdGVzdF9jb3VudGluZ2hvdXNlRmFrZVN0cmlwZTAwMDo="
    assert ask(fake_stripe, "GET", "/v1/account", {"Authorization": basic})[0] == 200


def test_the_library_raises_what_stripe_would_make_it_raise(fake_stripe: FakeStripe) -> None:
    with pytest.raises(stripe.AuthenticationError):
        stripe.Customer.list(api_key="sk_test_short")
    with pytest.raises(stripe.InvalidRequestError, match="No such customer: 'cus_no'") as missing:
        stripe.Customer.retrieve("cus_no")
    assert (missing.value.http_status, missing.value.code, missing.value.param) == (404, "resource_missing", "id")
    with pytest.raises(stripe.InvalidRequestError, match="Missing required param: name") as unnamed:
        stripe.Product.create(**UNNAMED)
    assert (unnamed.value.http_status, unnamed.value.code) == (400, "parameter_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Received unknown parameter: plan") as unknown:
        stripe.Customer.create(**UNKNOWN)
    assert unknown.value.code == "parameter_unknown"


@pytest.mark.parametrize(
    ("path", "body", "unknown"),
    [
        ("customers", "invoice_settings[card]=x", "invoice_settings[card]"),
        ("customers", "idempotency_key=x", "idempotency_key"),
        ("checkout/sessions", "line_items[0][price]=p&line_items[0][plan]=x", "line_items[0][plan]"),
        ("subscriptions/sub_1", "cancel_now=true", "cancel_now"),
        ("checkout/sessions", "subscription_data[metadata][any_name]=x", ""),
    ],
)
def test_a_name_that_stripe_does_not_know_is_refused(
    fake_stripe: FakeStripe, path: str, body: str, unknown: str
) -> None:
    _, _, answer = ask(fake_stripe, "POST", f"/v1/{path}", {"Authorization": f"Bearer {stripe.api_key}"}, body)
    assert (answer["error"].get("code") == "parameter_unknown") == bool(unknown)
    assert not unknown or answer["error"]["message"] == f"Received unknown parameter: {unknown}"


def test_each_call_has_the_parameters_of_stripes_library() -> None:
    for route in ROUTES:
        if route.parameters:
            refuse_unknown(route.parameters, {})


def test_an_unknown_address_is_an_error(fake_stripe: FakeStripe) -> None:
    headers = {"Authorization": f"Bearer {stripe.api_key}"}
    status, _, body = ask(fake_stripe, "POST", "/v1/coupons", headers)
    assert (status, body["error"]["message"]) == (404, "Unrecognized request URL (POST: /v1/coupons).")


def test_the_response_names_the_request_and_the_version(fake_stripe: FakeStripe) -> None:
    headers = {"Authorization": f"Bearer {stripe.api_key}"}
    _, answered, _ = ask(fake_stripe, "GET", "/v1/account", headers)
    assert answered["Request-Id"].startswith("req_")
    assert answered["Stripe-Version"] == "2026-05-27.dahlia"
    _, answered, _ = ask(fake_stripe, "GET", "/v1/account", headers | {"Stripe-Version": "2025-03-31.basil"})
    assert answered["Stripe-Version"] == "2025-03-31.basil"


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        ("a=1&b[c]=2", {"a": "1", "b": {"c": "2"}}),
        ("items[0][price]=p&items[1][price]=q", {"items": [{"price": "p"}, {"price": "q"}]}),
        ("expand[]=a&expand[]=b", {"expand": ["a", "b"]}),
        ("metadata[1]=x&metadata[0]=y", {"metadata": {"1": "x", "0": "y"}}),
        ("d[metadata][7]=x", {"d": {"metadata": {"7": "x"}}}),
        ("name=", {"name": ""}),
        ("name=%C3%84&x=a%26b", {"name": "Ä", "x": "a&b"}),
    ],
)
def test_nested_forms_are_read(encoded: str, decoded: Json) -> None:
    assert decode(encoded) == decoded


# Lists


def test_a_list_is_newest_first_and_says_whether_it_has_more(fake_stripe: FakeStripe) -> None:
    ids = [stripe.Customer.create(email=f"{number}@x.example").id for number in range(5)]
    first = stripe.Customer.list(limit=2)
    assert [item.id for item in first.data] == ids[:2:-1]
    assert first.has_more
    last = stripe.Customer.list(limit=3, starting_after=first.data[-1].id)
    assert [item.id for item in last.data] == ids[2::-1]
    assert not last.has_more
    back = stripe.Customer.list(limit=1, ending_before=last.data[0].id)
    assert [item.id for item in back.data] == [ids[3]]
    assert back.has_more


def test_the_library_walks_all_pages(fake_stripe: FakeStripe) -> None:
    ids = [stripe.Customer.create(name=str(number)).id for number in range(25)]
    assert [item.id for item in stripe.Customer.list(limit=10).auto_paging_iter()] == ids[::-1]


def test_a_list_is_filtered(fake_stripe: FakeStripe) -> None:
    wanted = stripe.Customer.create(email="a@x.example")
    stripe.Customer.create(email="b@x.example")
    assert [item.id for item in stripe.Customer.list(email="a@x.example").data] == [wanted.id]
    assert not stripe.Customer.list(created={"gt": wanted.created + 60}).data
    assert len(stripe.Customer.list(created={"gte": wanted.created, "lte": wanted.created + 60}).data) == 2


@pytest.mark.parametrize("parameters", [{"limit": 0}, {"limit": 101}, {"starting_after": "cus_no"}, {"created": "x"}])
def test_a_list_refuses_invalid_parameters(fake_stripe: FakeStripe, parameters: Json) -> None:
    stripe.Customer.create()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe.Customer.list(**parameters)
    assert refused.value.http_status == 400


# Expansion


def test_an_id_is_expanded_on_request(payer: stripe.Customer, agreement: stripe.Price) -> None:
    stripe.Subscription.create(customer=payer.id, items=[{"price": agreement.id}])
    [plain] = stripe.Subscription.list().data
    assert (plain.customer, plain["items"].data[0].price.product) == (payer.id, agreement.product)
    paths = ["data.customer.invoice_settings.default_payment_method", "data.items.data.price.product"]
    [whole] = stripe.Subscription.list(expand=paths).data
    assert whole.customer.invoice_settings.default_payment_method.card.last4 == "4242"
    assert whole["items"].data[0].price.product.name == "Billing agreement"


def test_an_impossible_expansion_is_refused(customer: stripe.Customer) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=r"cannot be expanded \(surprise\)"):
        stripe.Customer.retrieve(customer.id, expand=["surprise"])


# Idempotency


def test_the_same_key_with_the_same_parameters_gets_the_same_response(fake_stripe: FakeStripe) -> None:
    first = stripe.Customer.create(email="a@x.example", idempotency_key="k")
    again = stripe.Customer.create(email="a@x.example", idempotency_key="k")
    assert again.id == first.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert len(stripe.Customer.list().data) == 1


def test_the_same_key_for_something_else_is_refused(fake_stripe: FakeStripe) -> None:
    stripe.Customer.create(email="a@x.example", idempotency_key="k")
    with pytest.raises(stripe.IdempotencyError, match="same parameters") as refused:
        stripe.Customer.create(email="b@x.example", idempotency_key="k")
    assert refused.value.http_status == 400
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        stripe.Product.create(name="x", idempotency_key="k")


def test_a_refused_request_does_not_use_its_key_up(fake_stripe: FakeStripe) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        stripe.Product.create(**UNNAMED, idempotency_key="k")
    assert stripe.Product.create(name="x", idempotency_key="k").name == "x"


# Metadata


def test_metadata_is_merged_and_an_empty_value_removes(customer: stripe.Customer) -> None:
    changed = stripe.Customer.modify(customer.id, metadata={"plan": "team"})
    assert changed.metadata.to_dict() == {"tenant": "acme", "plan": "team"}
    changed = stripe.Customer.modify(customer.id, metadata={"tenant": ""})
    assert changed.metadata.to_dict() == {"plan": "team"}
    assert stripe.Customer.modify(customer.id, metadata="").metadata.to_dict() == {}


# Planned failures


def test_the_library_retries_a_planned_failure(fake_stripe: FakeStripe) -> None:
    fake_stripe.control.fail("/v1/customers", status=500, times=1)
    assert stripe.Customer.create(email="a@x.example").email == "a@x.example"
    assert len(fake_stripe.api.requests) == 2


def test_a_request_done_before_the_connection_dropped_is_not_done_again(fake_stripe: FakeStripe) -> None:
    fake_stripe.control.fail("/v1/customers", status=0, method="POST", times=1, is_after=True)
    made = stripe.Customer.create(email="a@x.example")
    assert [item.id for item in stripe.Customer.list().data] == [made.id]


def test_too_many_requests_can_be_simulated(fake_stripe: FakeStripe) -> None:
    fake_stripe.control.fail("/v1/customers", status=429, times=9)
    with pytest.raises(stripe.RateLimitError):
        stripe.Customer.list(max_network_retries=0)


def test_requests_are_remembered(fake_stripe: FakeStripe) -> None:
    stripe.Customer.create(email="a@x.example", idempotency_key="k")
    [request] = fake_stripe.api.requests
    assert request == {
        "method": "POST",
        "path": "/v1/customers",
        "parameters": {"email": "a@x.example"},
        "version": stripe.api_version,
        "idempotency_key": "k",
    }
