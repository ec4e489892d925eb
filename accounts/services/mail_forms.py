"""Mails in the seller's style: plain text and HTML, with the reason why a person gets it."""

import base64
from email.mime.image import MIMEImage
from email.utils import formataddr, parseaddr
from typing import Final

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from accounts.domain.mail_form import MailFoot, html_of_text, styled, with_foot
from accounts.models import MailStyle
from accounts.selectors.mail_style import mail_style

LOGO: Final = "logo"
HTML: Final = "text/html"


def dress(message: EmailMultiAlternatives, fragment: str, foot: MailFoot) -> EmailMultiAlternatives:
    """Add the seller's style to a plain message: sender, reply address, footer, and an HTML form around `fragment`.

    Without a fragment the HTML is made of the plain text.
    """
    style = mail_style()
    inner = fragment or html_of_text(str(message.body))
    html = render_mail(inner, subject=str(message.subject), foot=foot, style=style, logo=f"cid:{LOGO}")
    message.body = with_foot(str(message.body), foot, style.footer)
    message.attach_alternative(html, HTML)
    message.from_email = formataddr((style.sender_name, parseaddr(settings.DEFAULT_FROM_EMAIL)[1]))
    message.reply_to = [style.reply_to] if style.reply_to else message.reply_to
    if style.logo:
        message.attach(_picture(bytes(style.logo)))
    if foot.stop_url:
        # RFC 8058: a mail program sends this POST itself, without a visit to the page.
        message.extra_headers["List-Unsubscribe"] = f"<{foot.stop_url}>"
        message.extra_headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return message


def render_mail(fragment: str, *, subject: str, foot: MailFoot, style: MailStyle, logo: str = "") -> str:
    """Return the whole HTML of a mail. One that was stored as a whole document stays as it is."""
    if fragment.lstrip().lower().startswith("<!doctype"):
        return fragment
    picture = bytes(style.logo)
    source = logo or f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    context = {
        "subject": subject,
        "content": mark_safe(styled(fragment, style.colour)),  # noqa: S308 - of our own templates, which escape
        "foot": foot,
        "style": style,
        "logo": source if picture else "",
    }
    return render_to_string("mail/layout.html", context)


def _picture(content: bytes) -> MIMEImage:
    image = MIMEImage(content, "png")
    image.add_header("Content-ID", f"<{LOGO}>")
    image.add_header("Content-Disposition", "inline", filename="logo.png")
    return image
