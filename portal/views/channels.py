"""The pages of channels: the places that notices are sent to, when, and with what outcome.

The address of a channel is a secret, so no page shows it. The secret of a webhook is in one response.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from accounts.api.session_life import require_recent_sign_in
from accounts.channels.domain.statuses import ChannelStatus, MessageStatus
from accounts.channels.domain.types import TYPES, ChannelType
from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.selectors.channels import channel_of, channels_shown, kinds_offered, messages_of
from accounts.channels.services.channels import (
    change_channel,
    create_channel,
    delete_channel,
    pause_channel,
    resume_channel,
)
from accounts.channels.services.testing import send_test_message
from accounts.errors import ProblemError
from accounts.models import Membership
from accounts.notices.selectors.kinds import label_of
from portal.access import Portal, SignedInRequest, tenant_page
from portal.confirmation import Confirmation, confirmation_page
from portal.forms.channels import SHARED, ChannelTermsForm, NewChannelForm, initial_of
from portal.forms.problems import show_problem
from portal.rate_limit import Rate, is_too_often

ROWS_ON_A_PAGE: Final = 25
WRITES: Final = ("GET", "HEAD", "POST")
TESTS: Final = Rate("channel tests", requests_max=10, seconds=60)
BADGES: Final = {
    ChannelStatus.ACTIVE: "ok",
    ChannelStatus.PAUSED: "warn",
    ChannelStatus.STOPPED: "danger",
    MessageStatus.HELD: "info",
    MessageStatus.PENDING: "info",
    MessageStatus.SENT: "ok",
    MessageStatus.DIGESTED: "ok",
    MessageStatus.FAILED: "danger",
    MessageStatus.UNKNOWN: "warn",
    MessageStatus.DROPPED: "",
}
WORDS: Final = {
    MessageStatus.HELD: "In the next digest",
    MessageStatus.PENDING: "Waiting",
    MessageStatus.DIGESTED: "In a digest",
    MessageStatus.UNKNOWN: "May have arrived",
}


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel with its badge, and whose it is."""

    channel: Channel
    badge: str
    is_shared: bool

    @classmethod
    def of(cls, channel: Channel) -> "ChannelRow":
        """Return the row of a channel."""
        return cls(channel, BADGES[ChannelStatus(channel.status)], channel.membership_id is None)


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message with its badge, in words."""

    message: ChannelMessage
    badge: str
    status: str
    title: str

    @classmethod
    def of(cls, message: ChannelMessage) -> "MessageRow":
        """Return the row of a message."""
        status, notice = MessageStatus(message.status), message.notice
        title = f"Digest of {message.digest_on:%-d %B %Y}" if notice is None else notice.title
        return cls(message, BADGES[status], WORDS.get(status, message.get_status_display()), title)


@tenant_page("channels")
def channels(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the member's channels and, to those who manage the organisation, its own: there are few."""
    rows = [ChannelRow.of(channel) for channel in _found(portal)]
    return render(request, "portal/channels.html", {"portal": portal, "rows": rows})


@tenant_page("channels")
def channel(request: SignedInRequest, portal: Portal, channel_id: UUID) -> HttpResponse:
    """Render a channel and its messages, the newest first."""
    found = _channel(portal, channel_id)
    page = Paginator(messages_of(found), ROWS_ON_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "portal": portal,
        "one": ChannelRow.of(found),
        "kinds": [label_of(name) for name in found.kinds],
        "zone": found.zone.key,
        "page": page,
        "rows": [MessageRow.of(message) for message in page.object_list],
    }
    return render(request, "portal/channel.html", context)


@tenant_page("channels", methods=WRITES, recent=("GET", "POST"))
def channel_new(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the form; after a POST, show the secret of a webhook once."""
    membership = _membership(portal)
    form = NewChannelForm(
        request.POST if request.method == "POST" else None,
        kinds=kinds_offered(membership),
        may_share=portal.may["manage_tenant"],
        organisation=portal.tenant.name,
        organisation_zone=portal.tenant.time_zone,
    )
    if form.is_valid():
        is_shared = form.cleaned_data["whose"] == SHARED
        try:
            created = create_channel(
                tenant=portal.tenant,
                membership=None if is_shared else membership,
                channel_type=ChannelType(form.cleaned_data["type"]),
                terms=form.terms,
                actor=portal.actor,
                as_of=portal.as_of,
            )
        except ProblemError as error:
            show_problem(form, error)
        else:
            if created.secret:
                context = {"portal": portal, "channel": created.channel, "secret": created.secret}
                return render(request, "portal/channel_secret.html", context, status=201)
            messages.success(request, "The channel is created. Send a test message to see that it works.")
            return _back(portal, created.channel.pk)
    context = {"portal": portal, "form": form, "types": TYPES.values()}
    return render(request, "portal/channel_form.html", context, status=422 if form.errors else 200)


@tenant_page("channels", methods=WRITES)
def channel_edit(request: SignedInRequest, portal: Portal, channel_id: UUID) -> HttpResponse:
    """Render the form of a channel, or save it. A new address needs a recent sign-in."""
    found = _channel(portal, channel_id)
    form = ChannelTermsForm(
        request.POST if request.method == "POST" else None,
        initial=initial_of(found),
        kinds=kinds_offered(found.membership),
        organisation_zone=portal.tenant.time_zone,
    )
    if form.is_valid():
        if form.terms.url:
            require_recent_sign_in(request)
        try:
            change_channel(channel=found, terms=form.terms, actor=portal.actor, as_of=portal.as_of)
        except ProblemError as error:
            show_problem(form, error)
        else:
            messages.success(request, "The channel is saved.")
            return _back(portal, channel_id)
    has_url = TYPES[ChannelType(found.type)].has_url
    context = {"portal": portal, "form": form, "channel": found, "has_url": has_url}
    return render(request, "portal/channel_form.html", context, status=422 if form.errors else 200)


@tenant_page("channels", methods=WRITES)
def channel_test(request: SignedInRequest, portal: Portal, channel_id: UUID) -> HttpResponse:
    """Send a test message, and say what came of it. Opened by its address, confirm first."""
    found = _channel(portal, channel_id)
    if request.method != "POST":
        return _confirm(request, portal, found, "Send a test message?", "Send test message")
    if is_too_often(TESTS, str(portal.tenant.pk), as_of=portal.as_of):
        messages.error(request, "That were many tests. Wait a minute.")
        return _back(portal, channel_id)
    outcome = send_test_message(channel=found, actor=portal.actor, as_of=portal.as_of, clock=timezone.now)
    if not outcome.is_success:
        messages.error(request, f"The test message did not arrive: {outcome.error}")
    elif found.type == ChannelType.MAIL:
        messages.success(request, "The test message is queued, and arrives within a minute.")
    else:
        messages.success(request, "The test message arrived.")
    return _back(portal, channel_id)


@tenant_page("channels", methods=WRITES)
def channel_status(request: SignedInRequest, portal: Portal, channel_id: UUID) -> HttpResponse:
    """Pause a channel that is active, and resume any other. Opened by its address, confirm first."""
    found = _channel(portal, channel_id)
    is_active = found.status == ChannelStatus.ACTIVE
    if request.method != "POST":
        verb = "Pause" if is_active else "Resume"
        return _confirm(request, portal, found, f"{verb} this channel?", f"{verb} channel")
    set_status = pause_channel if is_active else resume_channel
    set_status(channel=found, actor=portal.actor, as_of=portal.as_of)
    said = "The channel is paused. Nothing is sent to it." if is_active else "The channel is active."
    messages.success(request, said)
    return _back(portal, channel_id)


@tenant_page("channels", methods=WRITES)
def channel_delete(request: SignedInRequest, portal: Portal, channel_id: UUID) -> HttpResponse:
    """Confirm first, then delete the channel."""
    found = _channel(portal, channel_id)
    if request.method == "POST":
        delete_channel(channel=found, actor=portal.actor, as_of=portal.as_of)
        messages.success(request, "The channel is deleted.")
        return redirect("portal:channels", portal.tenant.slug)
    confirmation = Confirmation(
        title="Delete this channel?",
        text=f"Nothing is sent to “{found.name}” any more. To stop it for a while, pause it instead.",
        label="Delete channel",
        back=reverse("portal:channel", args=[portal.tenant.slug, channel_id]),
    )
    return confirmation_page(request, portal, confirmation)


def _membership(portal: Portal) -> Membership | None:
    """Return the user's own membership; none while staff view as a customer."""
    return Membership.objects.filter(tenant=portal.tenant, user_id=portal.user_id).first()


def _found(portal: Portal) -> QuerySet[Channel]:
    return channels_shown(
        tenant_id=portal.tenant.pk, membership=_membership(portal), sees_all=portal.may["manage_tenant"]
    )


def _channel(portal: Portal, channel_id: UUID) -> Channel:
    return channel_of(_found(portal), channel_id)


def _back(portal: Portal, channel_id: UUID) -> HttpResponse:
    return redirect("portal:channel", portal.tenant.slug, channel_id)


def _confirm(request: SignedInRequest, portal: Portal, found: Channel, title: str, label: str) -> HttpResponse:
    back = reverse("portal:channel", args=[portal.tenant.slug, found.pk])
    return confirmation_page(request, portal, Confirmation(title=title, text=found.name, label=label, back=back))
