"""What a tenant's page of members shows of each person: the second factor, and when they were last seen."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db.models import Max

from accounts.models import Membership, User
from accounts.selectors.second_factors import FACTORS


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """Whether a person has a second factor, and when a session of theirs was last used; None if never signed in."""

    has_second_factor: bool
    last_seen_at: datetime | None


def facts_of_people(users: Collection[User]) -> dict[int, MemberFacts]:
    """Return the facts of people, by their ids, in two queries. Without a session left it is the last sign-in."""
    ids = [user.pk for user in users]
    with_factor = set(Authenticator.objects.filter(user_id__in=ids, type__in=FACTORS).values_list("user_id", flat=True))
    sessions = UserSession.objects.filter(user_id__in=ids).order_by().values_list("user_id")
    seen = dict(sessions.annotate(latest=Max("last_seen_at")))
    return {
        user.pk: MemberFacts(
            user.pk in with_factor, max((at for at in (seen.get(user.pk), user.last_login) if at), default=None)
        )
        for user in users
    }


def members_without_second_factor(*, tenant_id: UUID) -> int:
    """Return how many members of a tenant have no second factor."""
    with_factor = Authenticator.objects.filter(type__in=FACTORS).values("user_id")
    return int(Membership.objects.filter(tenant_id=tenant_id).exclude(user_id__in=with_factor).count())
