"""The page of the user's sign-in methods, with links to the pages that change them."""

from dataclasses import dataclass
from typing import Final

from allauth.mfa.models import Authenticator
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.domain.reach import WayIn, way_in
from accounts.models import AuditEntry
from accounts.selectors.sign_ins import SIGN_IN_PREFIX, recent_sign_ins
from portal.access import Portal, SignedInRequest, tenant_page

RECENT_MAX: Final = 10
FAILED: Final = frozenset({"sign_in_failed", "second_factor_failed", "reauthentication_failed", "code_refused"})
TOLD: Final = {
    "signed_in": "Signed in",
    "signed_out": "Signed out",
    "sign_in_failed": "Wrong password",
    "second_factor_failed": "Wrong second factor",
    "reauthenticated": "Confirmed again",
    "reauthentication_failed": "Wrong password or code on a confirmation",
    "code_refused": "Wrong code from an e-mail",
    "password_reset_asked": "A code for a new password was e-mailed",
    "totp_activated": "Authenticator app added",
    "totp_deactivated": "Authenticator app removed",
    "webauthn_added": "Passkey added",
    "webauthn_removed": "Passkey removed",
    "email_changed": "E-mail address changed",
    "second_factors_removed": "Second factors removed by the operator",
}


@dataclass(frozen=True, slots=True)
class SecurityEntry:
    """One sign-in method."""

    icon: str
    title: str
    text: str
    url: str
    label: str
    state: str = ""
    state_kind: str = ""


@dataclass(frozen=True, slots=True)
class SignInRow:
    """One entry about the user's sign-in, in words."""

    entry: AuditEntry
    text: str
    is_bad: bool


@tenant_page("security")
def security(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the sign-in methods with their states, and recent sign-ins."""
    kinds = list(Authenticator.objects.filter(user=request.user).values_list("type", flat=True))
    with way_in(WayIn.SIGN_IN):  # a sign-in belongs to a user, and to no tenant
        recent = recent_sign_ins(user_id=request.user.pk, limit=RECENT_MAX)
    context = {"portal": portal, "entries": _entries(kinds), "recent": [_told(entry) for entry in recent]}
    return render(request, "portal/security.html", context)


def _told(entry: AuditEntry) -> SignInRow:
    name = entry.action.removeprefix(SIGN_IN_PREFIX)
    text = TOLD.get(name, name.replace("_", " ").capitalize())
    ways = entry.after.get("with", [])
    how = ", ".join([ways] if isinstance(ways, str) else ways)
    return SignInRow(entry, f"{text} ({how})" if how else text, is_bad=name in FAILED)


def _entries(kinds: list[str]) -> list[SecurityEntry]:
    has_app, passkeys = Authenticator.Type.TOTP in kinds, kinds.count(Authenticator.Type.WEBAUTHN)
    has_codes = Authenticator.Type.RECOVERY_CODES in kinds
    off, on = ("Off", "warn"), ("On", "ok")
    return [
        SecurityEntry(
            "smartphone",
            "Authenticator app",
            "After the password, enter a code from an app on your phone.",
            reverse("mfa_deactivate_totp" if has_app else "mfa_activate_totp"),
            "Switch off" if has_app else "Set up",
            *(on if has_app else off),
        ),
        SecurityEntry(
            "fingerprint",
            "Passkeys and security keys",
            "Sign in by fingerprint, face or hardware key. They cannot be phished.",
            reverse("mfa_list_webauthn" if passkeys else "mfa_add_webauthn"),
            "Manage" if passkeys else "Add one",
            *((f"{passkeys} added", "ok") if passkeys else off),
        ),
        SecurityEntry(
            "key-round",
            "Recovery codes",
            "Each lets you sign in once if you lose your phone.",
            reverse("mfa_view_recovery_codes" if has_codes else "mfa_index"),
            "View" if has_codes else "See how",
            *(("Ready", "ok") if has_codes else ("None", "")),
        ),
        SecurityEntry(
            "settings-2",
            "Password",
            "At least ten characters, and not a common one.",
            reverse("account_change_password"),
            "Change",
        ),
        SecurityEntry("mail", "E-mail addresses", "For codes and notices.", reverse("account_email"), "Manage"),
        SecurityEntry(
            "monitor", "Sessions", "Every browser that is signed in as you.", reverse("usersessions_list"), "Review"
        ),
        SecurityEntry(
            "trash-2",
            "Your account",
            "Your name and addresses are deleted. Your actions stay in audit logs under a pseudonym.",
            reverse("portal:account_delete"),
            "Delete",
        ),
    ]
