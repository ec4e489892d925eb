"""A job and staff check VAT numbers. The results are kept as evidence."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from pytest_django import Settings

from accounts.domain.transitions import TenantStatus
from accounts.errors import ConflictError
from accounts.models import AuditEntry, JobOutcome, Tenant
from billing.domain.tax import TaxTreatment
from billing.models import TaxIdCheck
from billing.selectors.taxes import tax_tables
from billing.taxation.services.tax_id_checks import check_tax_ids, record_tax_id_check, run_tax_id_checks
from tests.billing.taxation.gateways.vies_server import UNAVAILABLE, VALID, Vies, vies_server
from tests.billing.world import MARCH, STAFF, set_issuer
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db
GERMAN = {"country": "DE", "tax_id": "DE136695976"}
FRENCH = {"country": "FR", "tax_id": "FR40303265045"}


@pytest.fixture
def vies(settings: Settings) -> Iterator[Vies]:
    with vies_server() as server:
        settings.VIES_URL = server.url
        yield server


def treatment(tenant: Tenant) -> TaxTreatment:
    return tax_tables([tenant.pk])[tenant.pk].on(MARCH.date()).treatment


def note(tenant: Tenant) -> str:
    return tax_tables([tenant.pk])[tenant.pk].on(MARCH.date()).note


def test_checks_of_tax_ids_are_off_by_default() -> None:
    make_tenant("acme", **GERMAN)
    assert run_tax_id_checks(started_by="us", as_of=MARCH).summary == {"answered": 0, "unanswered": 0}
    assert not TaxIdCheck.objects.exists()


def test_a_result_is_stored_with_its_day_and_checked_again_after_a_while(vies: Vies) -> None:
    tenant = make_tenant("acme", **GERMAN)
    vies.answers["136695976"] = VALID
    assert "not verified" in note(tenant)

    assert check_tax_ids(as_of=MARCH) == (1, 0)
    assert check_tax_ids(as_of=MARCH + timedelta(days=89)) == (0, 0)

    [kept] = TaxIdCheck.objects.all()
    assert (kept.tax_id, kept.is_valid, kept.source, kept.reference, kept.name, kept.checked_at) == (
        "DE136695976", True, "vies", "WAPIAAAA1", "ACME GMBH", MARCH,
    )  # fmt: skip
    assert str(kept) == "DE136695976 is valid, VIES, 2026-03-01"
    assert "not verified" not in note(tenant)
    assert vies.asked[0]["requesterNumber"] == "0417497106"
    assert check_tax_ids(as_of=MARCH + timedelta(days=91)) == (1, 0)


def test_a_number_that_is_not_in_use_counts_as_none(vies: Vies) -> None:
    tenant = make_tenant("acme", **GERMAN)
    assert treatment(tenant) is TaxTreatment.REVERSE_CHARGE
    check_tax_ids(as_of=MARCH)
    assert treatment(tenant) is TaxTreatment.STANDARD
    Tenant.objects.update(tax_id="DE811907980")
    assert treatment(tenant) is TaxTreatment.REVERSE_CHARGE, "another number is not denied"


def test_only_numbers_of_businesses_in_other_member_states_are_checked(vies: Vies) -> None:
    make_tenant("home", country="BE", tax_id="BE0403019261")
    make_tenant("abroad", country="US", tax_id="NONE1234")
    make_tenant("consumer", country="DE")
    make_tenant("wrong", country="DE", tax_id="DE000000000")
    make_tenant("closed", status=TenantStatus.CLOSED, **GERMAN)
    assert check_tax_ids(as_of=MARCH) == (0, 0)
    assert vies.asked == []


def test_a_silent_member_state_holds_up_no_other(vies: Vies) -> None:
    make_tenant("one", **GERMAN)
    make_tenant("two", country="DE", tax_id="DE811907980")
    make_tenant("three", **FRENCH)
    vies.answers |= {"136695976": UNAVAILABLE, "811907980": UNAVAILABLE, "40303265045": VALID}
    run = run_tax_id_checks(started_by="us", as_of=MARCH)
    assert (run.outcome, run.summary) == (JobOutcome.ATTENTION, {"answered": 1, "unanswered": 1})
    assert TaxIdCheck.objects.get().tax_id == "FR40303265045"
    assert sorted(asked["countryCode"] for asked in vies.asked) == ["DE", "FR"]


def test_a_seller_from_outside_checks_without_a_name(vies: Vies) -> None:
    set_issuer(country="CH", tax_id="CHE107787577MWST")
    make_tenant("acme", **GERMAN)
    check_tax_ids(as_of=MARCH)
    assert "requesterNumber" not in vies.asked[0]


def test_staff_record_their_own_check_of_a_tax_id() -> None:
    tenant = make_tenant("acme", **GERMAN)
    record_tax_id_check(tenant=tenant, is_valid=True, reference="By phone.", actor=STAFF, as_of=MARCH)
    assert "not verified" not in note(tenant)
    assert AuditEntry.objects.get(action="tenant.tax_id_checked").after["reference"] == "By phone."
    with pytest.raises(ConflictError, match="has no tax id"):
        record_tax_id_check(tenant=make_tenant("none"), is_valid=True, reference="", actor=STAFF, as_of=MARCH)


def test_evidence_is_never_changed() -> None:
    tenant = make_tenant("acme", **GERMAN)
    record_tax_id_check(tenant=tenant, is_valid=True, reference="", actor=STAFF, as_of=MARCH)
    with pytest.raises(DatabaseError), transaction.atomic():
        TaxIdCheck.objects.update(is_valid=False)
    with pytest.raises(DatabaseError), transaction.atomic():
        TaxIdCheck.objects.all().delete()
