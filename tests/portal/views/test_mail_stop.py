"""The page that stops mails, for people and for mail programs."""

from django.test import Client

from accounts.models import Membership
from accounts.notices.models import MailPreference
from accounts.notices.selectors.stops import MailStop, stop_token
from tests.portal.conftest import Cast


def test_a_visit_stops_nothing_and_a_post_without_cookie_or_form_token_does(cast: Cast) -> None:
    member = Membership.objects.get(tenant=cast.acme, user=cast.dora)
    url = f"/mail/stop/{stop_token(MailStop(cast.acme.pk, member.pk, 'usage_alert'))}/"
    program = Client(enforce_csrf_checks=True)
    assert "Stop these mails?" in program.get(url).content.decode()
    assert not MailPreference.objects.exists()
    for _ in range(2):
        stopped = program.post(url, {"List-Unsubscribe": "One-Click"})
        assert stopped.status_code == 200
        assert "You get no more of these mails" in stopped.content.decode()
    preference = MailPreference.objects.get()
    assert (preference.membership, preference.kind, preference.is_wanted) == (member, "usage_alert", False)


def test_a_wrong_link_and_too_many_are_refused(cast: Cast) -> None:
    program = Client()
    assert program.get("/mail/stop/nonsense/").status_code == 404
    answers = [program.get("/mail/stop/nonsense/").status_code for _ in range(61)]
    assert answers[-1] == 429
