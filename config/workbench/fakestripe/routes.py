"""The call of each method and path, and the parameters that each takes."""

import dataclasses
import re
from collections.abc import Callable

from config.workbench.fakestripe import (
    account,
    catalog,
    checkout,
    customers,
    invoice_calls,
    meters,
    payment_methods,
    payments,
    payouts,
    refunds,
)
from config.workbench.fakestripe import subscription_calls as subscriptions
from config.workbench.fakestripe.errors import Json, StripeError
from config.workbench.fakestripe.known_parameters import refuse_unknown
from config.workbench.fakestripe.store import Store

Call = Callable[..., Json]


@dataclasses.dataclass(frozen=True)
class Route:
    """One call; `parameters` names the class of Stripe's library that lists its parameters."""

    method: str
    path: str
    call: Call
    parameters: str = ""

    @property
    def pattern(self) -> str:
        return re.sub(r"\*", r"([^/]+)", re.escape(self.path).replace(r"\*", "*"))


def _resource(path: str, prefix: str, **calls: Call) -> list[Route]:
    """Return the usual five calls of a resource; their parameters are in classes of the same name."""
    package, _, name = prefix.rpartition(".")
    dot = f"{package}." if package else ""
    usual = {
        "create": ("POST", path, f"{dot}{name}CreateParams"),
        "list": ("GET", path, f"{dot}{name}ListParams"),
        "retrieve": ("GET", f"{path}/*", f"{dot}{name}RetrieveParams"),
        "update": ("POST", f"{path}/*", f"{dot}{name}UpdateParams"),
        "delete": ("DELETE", f"{path}/*", f"{dot}{name}{'Cancel' if name == 'Subscription' else 'Delete'}Params"),
    }
    return [Route(usual[verb][0], usual[verb][1], call, usual[verb][2]) for verb, call in calls.items()]


ROUTES = [
    Route("GET", "account", account.retrieve_account),
    Route("GET", "accounts/*", account.retrieve_account),
    Route("POST", "billing/meter_events", meters.create_meter_event, "billing.MeterEventCreateParams"),
    Route(
        "POST", "billing/meter_event_adjustments", meters.cancel_meter_event, "billing.MeterEventAdjustmentCreateParams"
    ),
    Route("GET", "billing/meters/*/event_summaries", meters.list_summaries, "billing.MeterListEventSummariesParams"),
    Route("POST", "billing/meters/*/deactivate", meters.deactivate_meter),
    Route("POST", "billing/meters/*/reactivate", meters.reactivate_meter),
    *_resource(
        "billing/meters",
        "billing.Meter",
        create=meters.create_meter,
        list=meters.list_meters,
        retrieve=meters.retrieve_meter,
        update=meters.update_meter,
    ),
    Route("POST", "billing_portal/sessions", account.create_portal_session, "billing_portal.SessionCreateParams"),
    Route("POST", "checkout/sessions/*/expire", checkout.expire_session, "checkout.SessionExpireParams"),
    Route("GET", "checkout/sessions/*/line_items", checkout.list_session_lines),
    *_resource(
        "checkout/sessions",
        "checkout.Session",
        create=checkout.create_session,
        list=checkout.list_sessions,
        retrieve=checkout.retrieve_session,
        update=checkout.update_session,
    ),
    Route("GET", "customers/*/payment_methods", payment_methods.list_payment_methods_of_customer),
    Route("GET", "customers/*/tax_ids", account.list_nothing),
    Route("GET", "customers/*/sources", account.list_nothing),
    *_resource(
        "customers",
        "Customer",
        create=customers.create_customer,
        list=customers.list_customers,
        retrieve=customers.retrieve_customer,
        update=customers.update_customer,
        delete=customers.delete_customer,
    ),
    *_resource("events", "Event", list=account.list_events, retrieve=account.retrieve_event),
    *_resource(
        "invoiceitems",
        "InvoiceItem",
        create=invoice_calls.create_invoice_item,
        list=invoice_calls.list_invoice_items,
        retrieve=invoice_calls.retrieve_invoice_item,
        delete=invoice_calls.delete_invoice_item,
    ),
    *_resource(
        "invoice_payments",
        "InvoicePayment",
        list=invoice_calls.list_invoice_payments,
        retrieve=invoice_calls.retrieve_invoice_payment,
    ),
    Route("POST", "invoices/*/finalize", invoice_calls.finalize_invoice, "InvoiceFinalizeInvoiceParams"),
    Route("POST", "invoices/*/pay", invoice_calls.pay_invoice, "InvoicePayParams"),
    Route("POST", "invoices/*/send", invoice_calls.send_invoice, "InvoiceSendInvoiceParams"),
    Route("POST", "invoices/*/void", invoice_calls.void_invoice, "InvoiceVoidInvoiceParams"),
    Route(
        "POST",
        "invoices/*/mark_uncollectible",
        invoice_calls.mark_invoice_uncollectible,
        "InvoiceMarkUncollectibleParams",
    ),
    Route("POST", "invoices/*/add_lines", invoice_calls.add_invoice_lines, "InvoiceAddLinesParams"),
    Route("GET", "invoices/*/lines", invoice_calls.list_invoice_lines),
    *_resource(
        "invoices",
        "Invoice",
        create=invoice_calls.create_invoice,
        list=invoice_calls.list_invoices,
        retrieve=invoice_calls.retrieve_invoice,
        update=invoice_calls.update_invoice,
        delete=invoice_calls.delete_invoice,
    ),
    Route("POST", "payment_intents/*/confirm", payments.confirm_payment_intent, "PaymentIntentConfirmParams"),
    Route("POST", "payment_intents/*/cancel", payments.cancel_payment_intent, "PaymentIntentCancelParams"),
    *_resource(
        "payment_intents",
        "PaymentIntent",
        create=payments.create_payment_intent,
        list=payments.list_payment_intents,
        retrieve=payments.retrieve_payment_intent,
    ),
    *_resource(
        "refunds", "Refund", create=refunds.create_refund, list=refunds.list_refunds, retrieve=refunds.retrieve_refund
    ),
    *_resource("disputes", "Dispute", list=refunds.list_disputes, retrieve=refunds.retrieve_dispute),
    *_resource("charges", "Charge", list=payments.list_charges, retrieve=payments.retrieve_charge),
    Route("GET", "balance_transactions/*", payments.retrieve_balance_transaction),
    Route("GET", "balance_transactions", payouts.list_balance_transactions, "BalanceTransactionListParams"),
    Route("GET", "payouts", payouts.list_payouts, "PayoutListParams"),
    Route("POST", "payment_methods/*/attach", payment_methods.attach_payment_method, "PaymentMethodAttachParams"),
    Route("POST", "payment_methods/*/detach", payment_methods.detach_payment_method, "PaymentMethodDetachParams"),
    *_resource(
        "payment_methods",
        "PaymentMethod",
        create=payment_methods.create_payment_method,
        list=payment_methods.list_payment_methods,
        retrieve=payment_methods.retrieve_payment_method,
        update=payment_methods.update_payment_method,
    ),
    Route("GET", "products/*/features", account.list_nothing),
    *_resource(
        "products",
        "Product",
        create=catalog.create_product,
        list=catalog.list_products,
        retrieve=catalog.retrieve_product,
        update=catalog.update_product,
    ),
    *_resource(
        "prices",
        "Price",
        create=catalog.create_price,
        list=catalog.list_prices,
        retrieve=catalog.retrieve_price,
        update=catalog.update_price,
    ),
    Route("POST", "setup_intents/*/confirm", payment_methods.confirm_setup_intent, "SetupIntentConfirmParams"),
    Route("POST", "setup_intents/*/cancel", payment_methods.cancel_setup_intent, "SetupIntentCancelParams"),
    *_resource(
        "setup_intents",
        "SetupIntent",
        create=payment_methods.create_setup_intent,
        list=payment_methods.list_setup_intents,
        retrieve=payment_methods.retrieve_setup_intent,
    ),
    *_resource(
        "subscription_items",
        "SubscriptionItem",
        list=subscriptions.list_subscription_items,
        retrieve=subscriptions.retrieve_subscription_item,
    ),
    *_resource(
        "subscriptions",
        "Subscription",
        create=subscriptions.create_subscription,
        list=subscriptions.list_subscriptions,
        retrieve=subscriptions.retrieve_subscription,
        update=subscriptions.update_subscription,
        delete=subscriptions.cancel_subscription,
    ),
    *_resource(
        "tax_rates",
        "TaxRate",
        create=catalog.create_tax_rate,
        list=catalog.list_tax_rates,
        retrieve=catalog.retrieve_tax_rate,
    ),
    *_resource(
        "webhook_endpoints",
        "WebhookEndpoint",
        create=account.create_endpoint,
        list=account.list_endpoints,
        retrieve=account.retrieve_endpoint,
        update=account.update_endpoint,
        delete=account.delete_endpoint,
    ),
]
COMPILED = [(route, re.compile(route.pattern)) for route in ROUTES]


def dispatch(store: Store, method: str, path: str, parameters: Json) -> Json:
    """Run one call; `path` is what follows /v1/."""
    for route, pattern in COMPILED:
        if route.method == method and (found := pattern.fullmatch(path)):
            if route.parameters:
                refuse_unknown(route.parameters, parameters)
            return route.call(store, parameters, *found.groups())
    message = f"Unrecognized request URL ({method}: /v1/{path})."
    raise StripeError(message, status=404)
