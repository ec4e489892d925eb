"""What schedules and the admin have the task cluster do."""

from django.utils import timezone

from billing.taxation.services.tax_id_checks import run_tax_id_checks

SCHEDULE = "schedule"


def check_tax_ids(started_by: str = SCHEDULE) -> str:
    """Ask VIES about VAT numbers that nobody has checked for a while; it is off unless the operator names it."""
    return str(run_tax_id_checks(started_by=started_by, as_of=timezone.now()).outcome)
