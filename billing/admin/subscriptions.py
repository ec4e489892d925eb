"""Subscriptions, and the actions of staff on them. Each action shows the next invoice before it is done."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.admin.base import Question, found_or_404, holds, staff_actor
from accounts.admin.by_state import ConfirmForm, posted
from billing.admin.base import MoneyAdmin
from billing.admin.contributions import contributed_inlines
from billing.admin.days import day_text, shown_days
from billing.admin.previews import previewed
from billing.admin.tabs import STATUS_LABELS, ExceptionInline, InvoiceRowInline, PhaseInline
from billing.domain.statuses import SubscriptionStatus
from billing.models import BillingException, PlanVersion, Subscription
from billing.selectors.catalog.plans import sold_version
from billing.selectors.invoicing.preview import preview_end, preview_next_invoice
from billing.services.subscriptions.changes import When, cancel_subscription, change_plan, undo_pending
from metering.domain.periods import local_day

PERIOD_FIELDS = (
    "period", "due_at", "next_boundary", "anchor_at", "started_at", "cancelled_at", "ended_at",
)  # fmt: skip
WHENS = [(When.PERIOD_END.value, "At the end of the period"), (When.NOW.value, "Now")]


def versions_on_sale() -> QuerySet[PlanVersion]:
    """Return the newest version of each plan that is not archived. Staff may also give plans that are not public."""
    newer = PlanVersion.objects.filter(plan=OuterRef("plan"), number__gt=OuterRef("number"))
    return (
        PlanVersion.objects.filter(~Exists(newer), plan__archived_at=None).select_related("plan").order_by("plan__name")
    )


class SeenVersionForm(forms.Form):
    """The version of the subscription that staff saw. A subscription that changed meanwhile is not changed."""

    expected_version = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


class ChangePlanForm(SeenVersionForm):
    """The plan to change to, and when."""

    plan_version = forms.ModelChoiceField(
        label="Plan", queryset=PlanVersion.objects.none(), empty_label=None, widget=UnfoldAdminSelectWidget
    )
    when = forms.ChoiceField(
        choices=WHENS,
        widget=UnfoldAdminSelectWidget,
        help_text="If now: fees are prorated by the day on the next invoice, and the new limits apply within a second.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["plan_version"].queryset = versions_on_sale()  # type: ignore[attr-defined]


class CancelForm(SeenVersionForm):
    """When the subscription ends."""

    when = forms.ChoiceField(
        choices=WHENS,
        widget=UnfoldAdminSelectWidget,
        help_text="If now: usage up to this moment is invoiced. The Issuer page sets whether unused days are credited.",
    )


class PendingFilter(admin.SimpleListFilter):
    """Subscriptions with something pending until the end of the period."""

    title = "pending"
    parameter_name = "pending"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the choices: a change of plan, an end, or an open exception."""
        return [("change", "Changes plan"), ("cancel", "Ends"), ("parked", "Not billed: open exception")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the subscriptions that match the choice."""
        parked = BillingException.objects.filter(subscription=OuterRef("pk"), resolved_at=None)
        chosen = {
            "change": Q(pending_plan_version__isnull=False),
            "cancel": Q(is_cancelled_at_period_end=True),
            "parked": Q(Exists(parked)),
        }.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(chosen)


@admin.register(Subscription)
class SubscriptionAdmin(MoneyAdmin):
    """Subscriptions of tenants to plans. Staff create one on the tenant's page."""

    list_display = ("shown_name", "plan", "state", "currency", "period", "next_invoice", "pending")
    list_filter = (("status", ChoicesDropdownFilter), "plan_version__plan", PendingFilter, "currency")
    list_filter_submit = True
    list_select_related = ("tenant", "plan_version__plan", "pending_plan_version__plan")
    search_fields = ("tenant__name", "tenant__slug")
    search_help_text = "A tenant's name or slug."
    fieldsets = (
        (None, {"fields": ("tenant", "plan_version", "state", "pending", "currency", "time_zone")}),
        ("Periods", {"fields": PERIOD_FIELDS, "description": "The period in the customer's days, instants in UTC."}),
    )  # fmt: skip
    readonly_fields = ("state", "pending", "period")
    inlines: ClassVar = [InvoiceRowInline, PhaseInline, ExceptionInline]
    actions_detail: ClassVar = ["change_plan", "cancel", "undo", "preview"]

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Return the tables of this app, and those that other apps contribute."""
        return [*super().get_inlines(request, obj), *contributed_inlines(obj)]

    @display(description="Tenant", header=True, ordering="tenant__name")
    def shown_name(self, subscription: Subscription) -> list[str]:
        """Return the tenant's name above its slug."""
        return [subscription.tenant.name, subscription.tenant.slug]

    @display(description="Plan", ordering="plan_version__plan__name")
    def plan(self, subscription: Subscription) -> str:
        """Return the plan with its version."""
        return str(subscription.plan_version)

    @display(description="Status", ordering="status", label=STATUS_LABELS)
    def state(self, subscription: Subscription) -> str:
        """Return the status in words."""
        return str(subscription.get_status_display())

    @display(description="Period", ordering="period_end")
    def period(self, subscription: Subscription) -> SafeString:
        """Return the days of the current period, or of the last, in the customer's time zone."""
        return shown_days(subscription.period_start, subscription.period_end, subscription.time_zone)

    @display(description="Next invoice", ordering="due_at", empty_value="none")
    def next_invoice(self, subscription: Subscription) -> str | None:
        """Return the customer's day on which it is due. An ended subscription that is checked again may have none."""
        if subscription.due_at is None or _is_over(subscription):
            return None
        return str(local_day(subscription.due_at, subscription.time_zone))

    @display(description="Pending", empty_value="nothing")
    def pending(self, subscription: Subscription) -> str | None:
        """Return what is pending until the end of the period."""
        if subscription.is_cancelled_at_period_end:
            return "ends"
        pending = subscription.pending_plan_version
        return None if pending is None else f"becomes {pending}"

    # Actions

    has_act_permission = holds("billing.change_subscription")
    has_look_permission = holds("billing.view_subscription")

    def offered(self, obj: Subscription) -> frozenset[str]:
        """Return the actions that the state allows, none once the subscription has ended."""
        if obj.status == SubscriptionStatus.CANCELLED:
            return frozenset()
        waits = obj.pending_plan_version_id is not None or obj.is_cancelled_at_period_end
        return frozenset({"change_plan", "cancel", "preview"} | ({"undo"} if waits else set()))

    @action(description="Next invoice", permissions=["look"], icon="receipt_long")
    def preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the next invoice with usage up to now. Write nothing."""
        subscription = self._found(object_id)
        extra: dict[str, object] = {"preview_error": _said_of_last_look(subscription)}
        if not _is_over(subscription):
            extra = previewed(lambda: preview_next_invoice(subscription=subscription))
        return self.confirmation_page(
            request,
            subscription,
            ConfirmForm(),
            question=Question(
                title=f"Next invoice of {subscription.tenant}",
                explanation="Computed as the real one will be, from usage up to now. Nothing is written.",
                button="",
            ),
            template="admin/billing/preview_only.html",
            extra=extra,
        )

    @action(description="Change plan", permissions=["act"], icon="swap_horiz")
    def change_plan(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change the plan, after a preview of the next invoice."""
        subscription = self._found(object_id)

        def preview(given: dict[str, Any]) -> dict[str, object]:
            at = timezone.now() if given["when"] == When.NOW else None
            version = sold_version(given["plan_version"].pk)
            return previewed(lambda: preview_next_invoice(subscription=subscription, version=version, at=at))

        return self.decide(
            request,
            subscription,
            ChangePlanForm(posted(request), initial=self._seen(subscription)),
            lambda given: change_plan(
                subscription=subscription,
                plan_version=given["plan_version"],
                when=When(given["when"]),
                expected_version=given["expected_version"],
                actor=staff_actor(request),
                as_of=timezone.now(),
            ),
            name="change_plan",
            said=_said_of_change,
            question=Question(
                title=f"Change the plan of {subscription.tenant}",
                explanation=f"It is on {subscription.plan_version}; the next period begins on "
                f"{day_text(subscription.period_end, subscription.time_zone)}. "
                "What waits for then is replaced.",
                button="Change the plan",
            ),
            preview=preview,
        )

    @action(description="Cancel", permissions=["act"], icon="cancel")
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Cancel the subscription, after a preview of the last invoice."""
        subscription = self._found(object_id)

        def preview(given: dict[str, Any]) -> dict[str, object]:
            now = timezone.now()
            at = now if given["when"] == When.NOW else None
            shown = previewed(lambda: preview_end(subscription=subscription, at=at, as_of=now))
            # It can be ended all the same.
            return {"preview_note": shown["preview_error"]} if "preview_error" in shown else shown

        return self.decide(
            request,
            subscription,
            CancelForm(posted(request), initial=self._seen(subscription)),
            lambda given: cancel_subscription(
                subscription=subscription,
                when=When(given["when"]),
                expected_version=given["expected_version"],
                actor=staff_actor(request),
                as_of=timezone.now(),
            ),
            name="cancel",
            said=_said_of_end,
            question=Question(
                title=f"Cancel the subscription of {subscription.tenant}?",
                explanation=f"{subscription.plan_version}; the next period begins on "
                f"{day_text(subscription.period_end, subscription.time_zone)}. "
                "An end of the period can be undone until then; an end now cannot.",
                button="Cancel the subscription",
            ),
            preview=preview,
        )

    @action(description="Undo what is pending", permissions=["act"], icon="undo")
    def undo(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Undo what is pending until the end of the period, after a confirmation."""
        subscription = self._found(object_id)
        return self.decide(
            request,
            subscription,
            SeenVersionForm(posted(request), initial=self._seen(subscription)),
            lambda given: undo_pending(
                subscription=subscription,
                expected_version=given["expected_version"],
                actor=staff_actor(request),
                as_of=timezone.now(),
            ),
            name="undo",
            said=f"The subscription of {subscription.tenant} goes on as it is.",
            question=Question(
                title=f"Let the subscription of {subscription.tenant} go on?",
                explanation=f"At the end of the period it {self.pending(subscription)}. That is taken back.",
                button="Let it go on",
            ),
        )

    def _found(self, object_id: str) -> Subscription:
        rows = Subscription.objects.select_related("tenant", "plan_version__plan", "pending_plan_version__plan")
        found: Subscription = found_or_404(rows, object_id)
        return found

    def _seen(self, subscription: Subscription) -> dict[str, object]:
        return {
            "expected_version": subscription.version,
            "when": When.PERIOD_END.value,
            "plan_version": subscription.plan_version_id,
        }


def _said_of_change(done: Subscription) -> str:
    pending = done.pending_plan_version
    if pending is not None:
        return f"{done.tenant} moves to {pending} on {day_text(done.period_end, done.time_zone)}."
    return f"{done.tenant} is on {done.plan_version}."


def _is_over(subscription: Subscription) -> bool:
    """Return whether its last period is invoiced."""
    ended_at, due_at = subscription.ended_at, subscription.due_at
    return due_at is None or (ended_at is not None and due_at > ended_at)


def _said_of_last_look(subscription: Subscription) -> str:
    if subscription.due_at is None:
        return "It has ended: nothing more is invoiced."
    day = day_text(subscription.due_at, subscription.time_zone)
    return f"It has ended. What comes late is corrected on {day}, if anything does."


def _said_of_end(done: Subscription) -> str:
    ends = "has ended" if done.ended_at else f"ends on {day_text(done.period_end, done.time_zone)}"
    return f"The subscription of {done.tenant} {ends}."
