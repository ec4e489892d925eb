"""The tasks of taxation, which schedules and the admin start."""

from django.utils import timezone

from billing.taxation.services.tax_id_checks import run_tax_id_checks

SCHEDULE = "schedule"


def check_tax_ids(started_by: str = SCHEDULE) -> str:
    """Check VAT numbers at VIES whose last check is too old; VIES is off unless the operator names it."""
    return str(run_tax_id_checks(started_by=started_by, as_of=timezone.now()).outcome)
