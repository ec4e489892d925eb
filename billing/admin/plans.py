"""Plans and their versions. A version is published whole and never changes. Older versions are read-only."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Max, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from unfold.decorators import action, display

from accounts.admin.base import (
    Question,
    StaffModelAdmin,
    found_or_404,
    holds,
    staff_actor,
)
from accounts.admin.by_state import ByState, ConfirmForm, posted
from accounts.admin.refusals import show_refusals
from accounts.errors import ProblemError
from billing.admin.plan_forms import (
    PublishForm,
    initial_of,
    read_currencies,
)
from billing.admin.plan_versions import VersionInline, shown_fees
from billing.domain.plan_terms import SoldVersion, check_plan
from billing.domain.statuses import LIVE_STATUSES
from billing.models import Plan
from billing.selectors.catalog.plans import as_sold, sold_versions
from billing.services.catalog.plans import (
    SETTINGS,
    archive_plan,
    create_plan,
    publish_version,
    update_plan,
)
from metering.domain.aggregations.registry import DIVISIBLE_CODES
from metering.models import Meter


class PlanForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """A plan's name, description and place on the pricing page."""

    class Meta:
        model = Plan
        fields = ("code", "name", "description", "mark", "features", "is_public", "position")

    def clean(self) -> dict[str, Any]:
        """Show the service's errors at their fields."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            code = cleaned.get("code", self.instance.code)
            given = {name: cleaned[name] for name in ("name", "position", "mark", "features")}
            show_refusals(self, lambda: check_plan(code=code, **given))
        return cleaned


@admin.register(Plan)
class PlanAdmin(ByState, StaffModelAdmin):
    """Plans that are sold, or were."""

    form = PlanForm
    list_display = ("shown_name", "newest", "fees", "live", "is_public", "position", "is_archived")
    list_filter = ("is_public", ("archived_at", admin.EmptyFieldListFilter))
    search_fields = ("code", "name")
    fields = ("code", "name", "description", "mark", "features", "is_public", "position", "archived_at")
    readonly_fields = ("archived_at",)
    inlines: ClassVar = [VersionInline]
    actions_detail: ClassVar = ["publish", "archive"]

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the plans with versions, prices and numbers of live subscriptions, in a fixed number of queries."""
        rows: QuerySet[Any] = super().get_queryset(request)
        live = Q(versions__subscriptions__status__in=LIVE_STATUSES)
        rows = rows.annotate(
            newest_number=Max("versions__number"),
            live_total=Count("versions__subscriptions", filter=live, distinct=True),
        )
        rows = rows.prefetch_related("versions__prices__meter", "versions__usage_plan", "versions__plan")
        return rows

    @display(description="Plan", header=True, ordering="name")
    def shown_name(self, plan: Plan) -> list[str]:
        """Return the name above the code."""
        return [plan.name, plan.code]

    @display(description="Version", ordering="newest_number", empty_value="none yet")
    def newest(self, plan: Any) -> int | None:
        """Return the number of the version that is sold."""
        return None if plan.newest_number is None else int(plan.newest_number)

    @display(description="Monthly fee", empty_value="not for sale yet")
    def fees(self, plan: Plan) -> str | None:
        """Return the monthly fee of the version that is sold."""
        version = next(iter(sorted(plan.versions.all(), key=lambda row: -row.number)), None)
        return None if version is None else shown_fees(as_sold(version))

    @display(description="Live subscriptions", ordering="live_total")
    def live(self, plan: Any) -> int:
        """Return the number of live subscriptions to any of its versions."""
        return int(plan.live_total)

    @display(description="Archived", boolean=True)
    def is_archived(self, plan: Plan) -> bool:
        """Return whether it is no longer sold."""
        return plan.archived_at is not None

    # The page of one

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:  # noqa: ARG002 - Django's signature
        """Return the read-only fields, with the code of a stored plan: other systems refer to a plan by it."""
        return ("code", "archived_at") if obj else ("archived_at",)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse to delete a plan."""
        return False

    def save_model(self, request: HttpRequest, obj: Plan, form: "forms.ModelForm[Plan]", change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Create or update the plan by the service, which writes the audit entry."""
        given = {name: form.cleaned_data[name] for name in SETTINGS if name in form.cleaned_data}
        actor, as_of = staff_actor(request), timezone.now()
        if change:
            changes = {name: value for name, value in given.items() if name in form.changed_data}
            update_plan(plan=Plan.objects.get(pk=obj.pk), changes=changes, actor=actor, as_of=as_of)
            return
        made = create_plan(code=obj.code, actor=actor, as_of=as_of, **given)
        obj.pk, obj._state.adding = made.pk, False  # noqa: SLF001 - Django documents it

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """Write no entry: the services that this page calls write theirs."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Render the form. Show the service's error as a message if a colleague changed the plan meanwhile."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ProblemError as error:
            messages.error(request, error.detail)
            return redirect(request.path)

    # Actions

    has_publish_permission = holds("billing.add_planversion")
    has_archive_permission = holds("billing.change_plan")

    def offered(self, obj: Plan) -> frozenset[str]:
        """Return the actions of a plan, none if it is archived."""
        return frozenset() if obj.archived_at else frozenset({"publish", "archive"})

    def state_of(self, obj: Plan) -> str:
        """Return `archived` or `for sale`."""
        return "archived" if obj.archived_at else "for sale"

    @action(description="Archive", permissions=["archive"], icon="archive")
    def archive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Archive the plan, after a confirmation."""
        plan = found_or_404(Plan.objects.all(), object_id)
        return self.decide(
            request,
            plan,
            ConfirmForm(posted(request)),
            lambda _: archive_plan(plan=plan, actor=staff_actor(request), as_of=timezone.now()),
            name="archive",
            said=f"{plan} is sold no longer.",
            question=Question(
                title=f"Archive {plan}?",
                explanation="It leaves the pricing page, and no customer can choose it any more. Customers who have it "
                "keep it. This cannot be undone.",
                button="Archive the plan",
            ),
        )

    @action(description="Publish a new version", permissions=["publish"], icon="publish")
    def publish(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Read prices, show example amounts, and publish a version."""
        plan = found_or_404(Plan.objects.all(), object_id)
        if "publish" not in self.offered(plan):
            messages.error(request, f"{plan} is archived: it gets no more versions.")
            return redirect(self.page_of(plan))
        newest = newest_of(plan)
        form = publish_form(request, newest)
        is_valid = request.method == "POST" and form.is_valid()
        if is_valid and "publish" in request.POST:
            assert form.offer is not None, "the form is valid"
            offer, number = form.offer, form.cleaned_data["expected_number"]
            return self.attempt(
                request,
                lambda: publish_version(
                    plan=plan, offer=offer, actor=staff_actor(request), as_of=timezone.now(), expected_number=number
                ),
                said=lambda version: f"{version} is sold from now on. Who has an older version keeps it.",
                back=self.page_of(plan),
            )
        number = newest.number + 1 if newest else 1
        return self.confirmation_page(
            request,
            plan,
            form,
            question=Question(
                title=f"Version {number} of {plan}",
                explanation="A version is published whole and never changed. Whoever subscribes from then on gets it; "
                "others keep theirs.",
                button="Show what it costs",
            ),
            template="admin/billing/publish.html",
            extra={
                "newest": newest,
                "number": number,
                "examples": form.examples() if is_valid else [],
                "query": request.GET.urlencode(),
            },
        )


def newest_of(plan: Plan) -> SoldVersion | None:
    """Return the version that is sold now, if there is one."""
    newest = plan.versions.order_by("-number").values_list("pk", flat=True).first()
    return None if newest is None else sold_versions([newest])[newest]


def publish_form(request: HttpRequest, newest: SoldVersion | None) -> PublishForm:
    """Return the form with the requested currencies, by default those of the version that is sold."""
    sold = " ".join(newest.currencies) if newest else "EUR"
    asked = request.POST.get("currencies") or request.GET.get("currencies") or sold
    currencies = read_currencies(asked) or read_currencies(sold)
    initial = {
        "trial_days": 0,
        **initial_of(newest, currencies),
        "currencies": " ".join(currencies),
        "expected_number": newest.number + 1 if newest else 1,
    }
    meters = list(Meter.objects.filter(aggregation__in=DIVISIBLE_CODES).order_by("name"))
    return PublishForm(posted(request), currencies=currencies, meters=meters, initial=initial)
