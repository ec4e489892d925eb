"""`manage.py rebuild_meter` fills a meter and says how far it is."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from metering.models import Meter, UsageDay
from tests.metering.ledger_world import ledger_of, make_meter, make_tenant, send

pytestmark = pytest.mark.django_db


def test_it_computes_a_meter_again_day_by_day() -> None:
    meter, now = make_meter("calls", "call"), timezone.now()
    events = [{"id": str(n), "type": "call", "timestamp": now - timedelta(days=n)} for n in range(3)]
    send(ledger_of(make_tenant("acme")), events, as_of=now)
    UsageDay.objects.filter(meter_id=meter.id).update(quantity=7)
    out = StringIO()
    call_command("rebuild_meter", "calls", stdout=out)
    lines = out.getvalue().splitlines()
    assert [line.split(": ")[1] for line in lines[:-1]] == [f"{n} of 3 days are filled" for n in (1, 2, 3)]
    assert lines[-1] == "calls is filled."
    assert set(UsageDay.objects.filter(meter_id=meter.id).values_list("quantity", flat=True)) == {1}
    assert Meter.objects.get(pk=meter.id).fill_from is None


def test_an_unknown_meter_is_named() -> None:
    with pytest.raises(CommandError, match="No meter has the code nothing"):
        call_command("rebuild_meter", "nothing")
