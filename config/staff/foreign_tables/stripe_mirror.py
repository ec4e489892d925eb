"""dj-stripe's copy of Stripe, to look at. Its tables of keys and webhook secrets are not in the admin at all."""

from django.contrib import admin
from djstripe import models as stripe

from accounts.admin.base import ReadOnlyModelAdmin
from accounts.admin.records import as_block

SHOWN = (
    stripe.Account,
    stripe.Charge,
    stripe.Customer,
    stripe.Event,
    stripe.Invoice,
    stripe.PaymentIntent,
    stripe.PaymentMethod,
    stripe.Price,
    stripe.Product,
    stripe.Refund,
    stripe.Subscription,
)

for _model in [model for model in admin.site._registry if model._meta.app_label == "djstripe"]:  # noqa: SLF001 - all that are registered
    admin.site.unregister(_model)


@admin.register(*SHOWN)
class StripeMirrorAdmin(ReadOnlyModelAdmin):
    """One object as Stripe described it last."""

    list_display = ("id", "livemode", "created", "djstripe_updated")
    list_filter = ("livemode",)
    search_fields = ("id",)
    fields = ("id", "livemode", "created", "djstripe_created", "djstripe_updated", "described")
    readonly_fields = ("described",)

    @admin.display(description="As Stripe describes it")
    def described(self, row: object) -> str:
        """The whole object."""
        return as_block(getattr(row, "stripe_data", {}))
