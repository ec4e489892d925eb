"""The demo's people: users with verified addresses, staff in their groups, members with their roles."""

from datetime import datetime

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import Group

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.models import Membership, Tenant, User
from accounts.services.audit import AuditTarget, record_audit
from config.workbench.demo.cast import MAIN_TENANT, STAFF, TENANTS, DemoTenant, email_of, name_of
from config.workbench.demo.credentials import DemoCredentials, new_password

STAFF_DOMAIN = "countinghouse.example"


def ensure_staff(credentials: DemoCredentials) -> User:
    """Create the staff; the first of them may do everything. All sign in with one password."""
    encoded = _encoded_password(f"{STAFF[0][0]}@{STAFF_DOMAIN}", credentials.staff_password)
    if encoded is None:
        credentials.staff_password = new_password()
        encoded = make_password(credentials.staff_password)
    users = []
    for login, name, group in STAFF:
        user = _ensure_user(f"{login}@{STAFF_DOMAIN}", name, encoded, is_staff=True, is_superuser=group is None)
        if group is not None:
            user.groups.set(Group.objects.filter(name=group))
        users.append(user)
    credentials.staff_email = users[0].email
    return users[0]


def ensure_customers(credentials: DemoCredentials) -> dict[str, User]:
    """Create every customer, and return them by address. All sign in with one password."""
    main = next(tenant for tenant in TENANTS if tenant.slug == MAIN_TENANT)
    first = email_of(main.people[0][0], main)
    encoded = _encoded_password(first, credentials.customer_password)
    if encoded is None:
        credentials.customer_password = new_password()
        encoded = make_password(credentials.customer_password)
    credentials.customer_email = first
    people = {email_of(person, tenant): name_of(person) for tenant in TENANTS for person, _ in tenant.people}
    return {email: _ensure_user(email, name, encoded) for email, name in people.items()}


def ensure_members(planned: DemoTenant, tenant: Tenant, users: dict[str, User], as_of: datetime) -> None:
    """Add the missing members, without invitations: these addresses receive no mail."""
    present = set(Membership.objects.filter(tenant=tenant).values_list("user_id", flat=True))
    for person, role in planned.people:
        user = users[email_of(person, planned)]
        if user.pk not in present:
            _join(tenant, user, role, as_of)


def _join(tenant: Tenant, user: User, role: Role, as_of: datetime) -> None:
    membership = Membership.objects.create(tenant=tenant, user=user, role=role, created_at=as_of)
    record_audit(
        actor=Actor.member(user_id=user.pk, label=user.email),
        action="member.joined",
        tenant_id=tenant.pk,
        target=AuditTarget("membership", membership.pk, user.email),
        after={"email": user.email, "role": role},
        as_of=as_of,
    )


def _encoded_password(email: str, password: str) -> str | None:
    """Return the stored form of a password that still opens the account, else None."""
    encoded = User.objects.filter(email__iexact=email).values_list("password", flat=True).first()
    return encoded if encoded and password and check_password(password, encoded) else None


def _ensure_user(email: str, name: str, encoded: str, *, is_staff: bool = False, is_superuser: bool = False) -> User:
    """Create the user, or reset the password. Hashing it once for all users saves seconds."""
    user, _ = User.objects.update_or_create(
        email=email, defaults={"name": name, "password": encoded, "is_staff": is_staff, "is_superuser": is_superuser}
    )
    EmailAddress.objects.update_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
    return user
