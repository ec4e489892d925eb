"""How mails look: the seller's name, logo, colour, footer and reply address, set by staff without code."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.admin.base import StaffModelAdmin
from accounts.admin.pictures import PictureWidget
from accounts.admin.refusals import show_refusals
from accounts.domain.mail_form import MailFoot, checked_colour
from accounts.models import MailStyle
from accounts.services.mail_forms import render_mail
from accounts.services.mail_logo import logo_from

SAMPLE = """<h1>A heading</h1><p>This is how each mail looks with the style that is stored.</p>
<p class="action"><a class="button" href="#">A button</a></p><p class="muted">A remark in small letters.</p>"""
PICTURES = {"logo_file", "removes_logo"}


class MailStyleForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """A form that refuses colours that are hard to read, and files that are no pictures."""

    logo_file = forms.CharField(
        label="Logo", required=False, widget=PictureWidget, help_text="PNG or JPEG of at most 150 kB."
    )
    removes_logo = forms.BooleanField(label="Show no logo", required=False)

    class Meta:
        model = MailStyle
        fields = ("sender_name", "reply_to", "colour", "footer")

    def clean(self) -> dict[str, Any]:
        """Show each refusal at its field, and keep the picture for the row."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "colour" in cleaned:
            show_refusals(self, lambda: cleaned.update(colour=checked_colour(cleaned["colour"])))
        if cleaned.get("removes_logo"):
            self.instance.logo = b""
        elif cleaned.get("logo_file"):
            show_refusals(self, lambda: setattr(self.instance, "logo", logo_from(cleaned["logo_file"])))
        return cleaned


@admin.register(MailStyle)
class MailStyleAdmin(StaffModelAdmin):
    """The style of mails, of which there is one. Mails that were sent before show it in their preview, too."""

    form = MailStyleForm
    list_display = ("sender_name", "reply_to", "colour")
    fields = ("sender_name", "reply_to", "colour", "footer", "logo_file", "removes_logo", "preview")
    readonly_fields = ("preview",)

    @display(description="Preview")
    def preview(self, style: MailStyle) -> SafeString:
        """Render a sample mail. The page of each mail has a preview with its own text."""
        foot = MailFoot("You get this because you are an owner of Acme.", "https://example.com/stop")
        return as_frame(render_mail(SAMPLE, subject="Preview", foot=foot, style=style))

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """Write the entry without the picture itself."""
        plain = {name: value for name, value in after.items() if name not in PICTURES}
        plain |= {"logo": "changed"} if PICTURES & set(after) else {}
        known = {name: value for name, value in before.items() if name not in PICTURES}
        super().audit(request, obj, verb, before=known, after=plain)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Offer no button that adds another: there is one style."""
        context = {**(extra_context or {}), "show_save_and_add_another": False}
        return super().changeform_view(request, object_id, form_url, context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow one row."""
        return super().has_add_permission(request) and not MailStyle.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse to delete it."""
        return False


def as_frame(html: str) -> SafeString:
    """Render a page shown inside another one, in which its scripts do not run."""
    return format_html(
        '<iframe sandbox srcdoc="{}" title="Preview" style="width:100%;height:640px;border:0"></iframe>', html
    )
