"""The pages of members and invitations of a tenant.

The services decide what a role may do; the pages only hide what would be refused.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.api.session_life import require_recent_sign_in
from accounts.domain.roles import Capability, Role, may_manage
from accounts.errors import MailNotSentError, ProblemError, SecondFactorMissingError
from accounts.keys.services.api_keys import revoke_keys_beyond
from accounts.models import Invitation, Membership
from accounts.selectors.api_keys import keys_beyond
from accounts.selectors.directory import invitation_of_tenant, member_of_tenant, members_matching, open_invitations
from accounts.selectors.member_facts import MemberFacts, facts_of_people, members_without_second_factor
from accounts.services.members import (
    RESENT_AFTER,
    change_role,
    invite_member,
    remove_member,
    resend_invitation,
    revoke_invitation,
)
from accounts.services.tenant_factor import require_second_factor
from portal.access import Portal, SignedInRequest, tenant_page
from portal.confirmation import Confirmation, confirmation_page
from portal.forms.keys import chosen
from portal.forms.people import InviteForm, MemberForm, MembersFilterForm
from portal.forms.problems import show_problem

ROWS_ON_A_PAGE: Final = 25
INVITATIONS_MAX: Final = 50  # the service allows no more open invitations


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member, and what the viewer may do with it."""

    member: Membership
    may_change: bool
    may_remove: bool
    facts: MemberFacts | None = None


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An open invitation, and the seconds until it may be sent again."""

    invitation: Invitation
    wait_seconds: int


@tenant_page("team")
def team(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the members, and the open invitations for members who may invite."""
    form = MembersFilterForm(request.GET)
    page = Paginator(members_matching(tenant_id=portal.tenant.pk, **chosen(form)), ROWS_ON_A_PAGE).get_page(
        request.GET.get("page")
    )
    invitations = open_invitations(tenant_id=portal.tenant.pk, as_of=portal.as_of)
    may_invite = portal.may[Capability.MANAGE_MEMBERS]
    members = list(page.object_list)
    facts = facts_of_people([member.user for member in members]) if may_invite else {}
    context = {
        "portal": portal,
        "form": form,
        "page": page,
        "rows": [_row(request, portal, member, facts.get(member.user_id)) for member in members],
        "invitations": [_invitation(portal, one) for one in invitations[:INVITATIONS_MAX]] if may_invite else [],
    }
    return render(request, "portal/team.html", context)


@tenant_page("team", Capability.MANAGE_MEMBERS, methods=("GET", "HEAD", "POST"))
def invite(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the form for an address and a role, or send the link."""
    form = InviteForm(
        request.POST if request.method == "POST" else None, roles=_roles(portal), initial={"role": Role.DEVELOPER.value}
    )
    if form.is_valid() and form.cleaned_data["role"] == Role.OWNER:
        require_recent_sign_in(request)
    if form.is_valid() and _invite(request, portal, form):
        return redirect("portal:team", portal.tenant.slug)
    return render(request, "portal/invite.html", {"portal": portal, "form": form}, status=422 if form.errors else 200)


@tenant_page("team", Capability.MANAGE_MEMBERS, methods=("GET", "HEAD", "POST"))
def member(request: SignedInRequest, portal: Portal, membership_id: int) -> HttpResponse:
    """Render a member's role, or change it."""
    found = _member(portal, membership_id)
    given = request.POST if request.method == "POST" else None
    keys = _keys_created(portal, found)
    form = MemberForm(given, roles=_roles(portal), keys=keys, initial={"role": found.role})
    if form.is_valid():
        role, revokes_keys = Role(form.cleaned_data["role"]), form.cleaned_data.get("revokes_keys", False)
        if Role.OWNER in {role, Role(found.role)}:
            require_recent_sign_in(request)
        try:
            with transaction.atomic():
                if revokes_keys:
                    _revoke_keys(portal, found, role)
                change_role(membership=found, role=role, actor=portal.actor, as_of=portal.as_of)
        except ProblemError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"{found.user.email} is now {role.value}.")
            return redirect("portal:team", portal.tenant.slug)
    context = {"portal": portal, "form": form, "member": found}
    return render(request, "portal/member.html", context, status=422 if form.errors else 200)


@tenant_page("team", methods=("GET", "HEAD", "POST"))
def member_remove(request: SignedInRequest, portal: Portal, membership_id: int) -> HttpResponse:
    """Confirm first, then remove a member; any member may leave."""
    found = _member(portal, membership_id)
    is_me = found.user_id == request.user.pk
    back = reverse("portal:team", args=[portal.tenant.slug])
    keys = _keys_created(portal, found) if portal.may[Capability.MANAGE_KEYS] else []
    if request.method == "POST":
        if found.role == Role.OWNER:
            require_recent_sign_in(request)
        try:
            with transaction.atomic():
                if keys and "also" in request.POST:
                    _revoke_keys(portal, found, None)
                remove_member(membership=found, actor=portal.actor, as_of=portal.as_of)
        except ProblemError as error:
            messages.error(request, error.detail)
            return redirect(back)
        messages.success(
            request, f"You have left {portal.tenant.name}." if is_me else f"{found.user.email} was removed."
        )
        return redirect("portal:start" if is_me else back)
    text = f"{found.user.email} can no longer open these pages."
    whose = "you" if is_me else "they"
    confirmation = Confirmation(
        title=f"Leave {portal.tenant.name}?" if is_me else f"Remove {found.user.get_full_name()}?",
        text="You can no longer open its pages unless you are invited again." if is_me else text,
        label="Leave" if is_me else "Remove",
        back=back,
        option=f"Also revoke the keys that {whose} created: {', '.join(keys)}" if keys else "",
    )
    return confirmation_page(request, portal, confirmation)


@tenant_page("team", Capability.OWN_TENANT, methods=("GET", "HEAD", "POST"), recent=("POST",))
def second_factor(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Confirm first, then require a second factor of every member, or no longer."""
    back, is_required = reverse("portal:team", args=[portal.tenant.slug]), portal.tenant.requires_second_factor
    if request.method == "POST":
        try:
            require_second_factor(
                tenant=portal.tenant, is_required=not is_required, actor=portal.actor, as_of=portal.as_of
            )
        except SecondFactorMissingError as error:
            messages.error(request, error.detail)
            return redirect("portal:security", portal.tenant.slug)
        said = "no longer needed" if is_required else "needed from now on"
        messages.success(request, f"A second factor is {said} for these pages.")
        return redirect(back)
    if is_required:
        title, label = "No longer require a second factor?", "Stop requiring it"
        text = "Members then open these pages with only a password."
    else:
        without = members_without_second_factor(tenant_id=portal.tenant.pk)
        title, label = "Require a second factor of all members?", "Require it"
        text = f"Members without one are led to set it up when they next open a page. Without one now: {without}."
    return confirmation_page(request, portal, Confirmation(title=title, text=text, label=label, back=back))


@tenant_page("team", Capability.MANAGE_MEMBERS, methods=("GET", "HEAD", "POST"))
def invitation_resend(request: SignedInRequest, portal: Portal, invitation_id: int) -> HttpResponse:
    """Send an invitation again, with a new link; a request by its address alone is asked first."""
    found = invitation_of_tenant(tenant_id=portal.tenant.pk, invitation_id=invitation_id)
    if found is None:
        raise Http404
    back = reverse("portal:team", args=[portal.tenant.slug])
    if request.method != "POST":
        text = f"{found.email} gets a new link. The link before stops working."
        asked = Confirmation(title="Send the invitation again?", text=text, label="Send again", back=back)
        return confirmation_page(request, portal, asked)
    try:
        resend_invitation(invitation=found, actor=portal.actor, as_of=portal.as_of)
    except ProblemError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, f"We sent the invitation to {found.email} again. The link before no longer works.")
    return redirect(back)


@tenant_page("team", Capability.MANAGE_MEMBERS, methods=("GET", "HEAD", "POST"))
def invitation_revoke(request: SignedInRequest, portal: Portal, invitation_id: int) -> HttpResponse:
    """Confirm first, then revoke the invitation."""
    found: Invitation | None = invitation_of_tenant(tenant_id=portal.tenant.pk, invitation_id=invitation_id)
    if found is None:
        raise Http404
    back = reverse("portal:team", args=[portal.tenant.slug])
    if request.method == "POST":
        try:
            revoke_invitation(invitation=found, actor=portal.actor, as_of=portal.as_of)
        except ProblemError as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, f"The invitation of {found.email} was revoked.")
        return redirect(back)
    confirmation = Confirmation(
        title="Revoke the invitation?",
        text=f"The link sent to {found.email} stops working.",
        label="Revoke",
        back=back,
    )
    return confirmation_page(request, portal, confirmation)


def _invite(request: SignedInRequest, portal: Portal, form: InviteForm) -> bool:
    """Create an invitation and return whether it exists; show a refusal in the form, an unsent mail above the list."""
    email = form.cleaned_data["email"]
    try:
        invite_member(
            tenant=portal.tenant,
            email=email,
            role=Role(form.cleaned_data["role"]),
            actor=portal.actor,
            as_of=portal.as_of,
        )
    except MailNotSentError as error:
        messages.warning(request, error.detail)
        return True
    except ProblemError as error:
        show_problem(form, error)
        return False
    messages.success(request, f"We sent an invitation to {email}.")
    return True


def _member(portal: Portal, membership_id: int) -> Membership:
    found = member_of_tenant(tenant_id=portal.tenant.pk, membership_id=membership_id)
    if found is None:
        raise Http404
    return found


def _keys_created(portal: Portal, member: Membership) -> list[str]:
    """Return the names of working keys that the member created, since they may know the secrets."""
    keys = keys_beyond(tenant_id=portal.tenant.pk, maker_id=member.user_id, role=None, as_of=portal.as_of)
    return [str(key) for key in keys]


def _revoke_keys(portal: Portal, member: Membership, role: Role | None) -> None:
    revoke_keys_beyond(tenant=portal.tenant, maker_id=member.user_id, role=role, actor=portal.actor, as_of=portal.as_of)


def _row(request: SignedInRequest, portal: Portal, member: Membership, facts: MemberFacts | None) -> MemberRow:
    may = may_manage(portal.role, Role(member.role))
    return MemberRow(member, may_change=may, may_remove=may or member.user_id == request.user.pk, facts=facts)


def _invitation(portal: Portal, invitation: Invitation) -> InvitationRow:
    wait = (invitation.created_at + RESENT_AFTER - portal.as_of).total_seconds()
    return InvitationRow(invitation, max(ceil(wait), 0))


def _roles(portal: Portal) -> list[Role]:
    """Return the roles that the viewer may give."""
    return [role for role in Role if may_manage(portal.role, role)]
