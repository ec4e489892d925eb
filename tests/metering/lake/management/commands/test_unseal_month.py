"""`manage.py unseal_month`: a month that the lake alone holds stays."""

from datetime import date

import pytest
from django.core.management import CommandError, call_command

from metering.models import EventMonth, MonthStep
from tests.metering.lake.lake_world import NOON

pytestmark = pytest.mark.django_db


def test_a_month_that_the_lake_alone_holds_stays() -> None:
    EventMonth.objects.create(month=date(2026, 3, 1), step=MonthStep.DELETED, at=NOON)
    with pytest.raises(CommandError, match="only in the lake"):
        call_command("unseal_month", "2026-03")
