"""The customer organisation that is measured and billed, its members and its invitations."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from accounts.domain.roles import Role
from accounts.domain.transitions import TenantStatus
from accounts.querysets import InvitationQuerySet

BACKFILL_DAYS_DEFAULT = 35
BACKFILL_DAYS_MAX = 400


class Tenant(models.Model):
    """A customer organisation. Everything that is metered or billed belongs to exactly one."""

    id = models.UUIDField(primary_key=True, editable=False)
    slug = models.SlugField(
        max_length=50, unique=True, help_text="Part of every portal address. It cannot be changed later."
    )
    name = models.CharField(max_length=120)
    status = models.CharField(
        max_length=12,
        choices=[(status.value, status.value.capitalize()) for status in TenantStatus],
        default=TenantStatus.ACTIVE.value,
    )
    status_reason = models.CharField(max_length=200, blank=True)
    time_zone = models.CharField(
        max_length=64, default="UTC", help_text="IANA name. Days and months begin and end in this zone."
    )
    currency = models.CharField(
        max_length=3, default="EUR", validators=[RegexValidator(r"^[A-Z]{3}$", "Three capitals, as in ISO 4217.")]
    )
    backfill_days = models.PositiveSmallIntegerField(
        default=BACKFILL_DAYS_DEFAULT,
        validators=[MinValueValidator(1), MaxValueValidator(BACKFILL_DAYS_MAX)],
        help_text="The age in days up to which events are accepted.",
    )
    period_anchor_on = models.DateField(
        null=True,
        editable=False,
        help_text="Billing periods are months from this day on, which a subscription sets. Empty: calendar months.",
    )
    legal_name = models.CharField(max_length=200, blank=True)
    billing_email = models.EmailField(blank=True)
    address_line1 = models.CharField(max_length=200, blank=True)
    address_line2 = models.CharField(max_length=200, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    city = models.CharField(max_length=100, blank=True)
    region = models.CharField(max_length=100, blank=True)
    country = models.CharField(
        max_length=2, blank=True, validators=[RegexValidator(r"^[A-Z]{2}$", "Two capitals, as in ISO 3166-1.")]
    )
    tax_id = models.CharField("tax id", max_length=50, blank=True)
    requires_second_factor = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="Whether its pages open only with a second factor."
    )
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in TenantStatus]), name="tenant_status_known"
            ),
            models.CheckConstraint(
                condition=Q(backfill_days__gte=1, backfill_days__lte=BACKFILL_DAYS_MAX),
                name="tenant_backfill_days_bounded",
            ),
        ]
        ordering: ClassVar = ["name"]
        permissions: ClassVar = [
            ("view_as_customer", "Can look through a customer's eyes"),
            ("close_tenant", "Can close tenant for good"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def email(self) -> str:
        """Return the address for bills. dj-stripe reads this name of its subscriber."""
        return self.billing_email

    @property
    def is_active(self) -> bool:
        """Return whether the tenant may use the service."""
        return self.status == TenantStatus.ACTIVE


class Membership(models.Model):
    """A user's role in a tenant."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=[(role.value, role.value.capitalize()) for role in Role])
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user"], name="membership_once_per_tenant"),
            models.CheckConstraint(condition=Q(role__in=[role.value for role in Role]), name="membership_role_known"),
        ]
        ordering: ClassVar = ["created_at", "id"]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant}"


class Invitation(models.Model):
    """A link by e-mail that makes its first bearer a member. Only the digest of its token is stored."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=10, choices=[(role.value, role.value.capitalize()) for role in Role])
    token_digest = models.BinaryField(max_length=32, unique=True, editable=False)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                "tenant",
                Lower("email"),
                condition=Q(accepted_at=None, revoked_at=None),
                name="invitation_one_open_per_address",
            ),
            models.CheckConstraint(condition=Q(role__in=[role.value for role in Role]), name="invitation_role_known"),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | Q(revoked_at=None), name="invitation_not_both_accepted_and_revoked"
            ),
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.email} to {self.tenant}"
