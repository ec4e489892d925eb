"""Followed logs in the admin: position, refused lines with their reasons, the latest request."""

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.domain.actor import Actor
from metering.gateways.log_stores import LocalLogs
from metering.models import LogFile, LogSource
from metering.services.log_following import Follower, start_following
from metering.services.log_requests import AccessLog
from tests.metering.ledger_world import ledger_of, make_tenant
from tests.metering.log_lines.shapes import COMMON

pytestmark = pytest.mark.django_db


def test_a_source_and_its_files_show_how_far_they_were_read(as_robin: Client, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text(f"{COMMON}\n<b>nonsense</b>\n")
    log = AccessLog(ledger_of(make_tenant("acme")), str(path))
    source = start_following(log=log, actor=Actor.system("test"), as_of=timezone.now())
    with Follower(log, source, LocalLogs(path)) as follower:
        follower.read_new(as_of=timezone.now(), is_interrupted=lambda: False)

    listed = as_robin.get(reverse("admin:metering_logsource_changelist")).content.decode()
    assert str(path) in listed
    assert "2015-05-17 10:05" in listed
    assert (
        as_robin.get(reverse("admin:metering_logsource_change", args=[LogSource.objects.get().pk])).status_code == 200
    )
    assert (
        f"{path.stat().st_size:,} bytes" in as_robin.get(reverse("admin:metering_logfile_changelist")).content.decode()
    )
    shown = as_robin.get(reverse("admin:metering_logfile_change", args=[LogFile.objects.get().pk])).content.decode()
    assert "line 2: Not in the common or combined log format." in shown
    assert "nonsense" not in shown
    LogFile.objects.update(is_whole=True, refused_lines=[])
    assert "read as a whole" in as_robin.get(reverse("admin:metering_logfile_changelist")).content.decode()
