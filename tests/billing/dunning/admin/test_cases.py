"""Staff see who is past due by age, and each case with its steps."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from billing.dunning.services.running import run_due_steps
from tests.billing.dunning.unpaid import OVERDUE_AT, case_of, overdue, pay
from tests.billing.world import make_plan

pytestmark = pytest.mark.django_db
LIST = "admin:dunning_dunningcase_changelist"


def test_the_list_has_what_is_unpaid_by_age_and_a_case_its_steps(as_pat: Client) -> None:
    invoice = overdue()
    settled = overdue("globex", plan=invoice.subscription.plan_version)
    pay(settled, OVERDUE_AT)
    run_due_steps(as_of=OVERDUE_AT + timedelta(hours=12))
    with time_machine.travel(OVERDUE_AT + timedelta(days=9), tick=False):
        listed = as_pat.get(reverse(LIST)).content.decode()
        ages = {
            age: str(invoice.number) in as_pat.get(f"{reverse(LIST)}?age={age}").content.decode()
            for age in ("0", "7", "30", "60", "more")
        }
        everything = as_pat.get(f"{reverse(LIST)}?state=all").content.decode()
        page = as_pat.get(reverse("admin:dunning_dunningcase_change", args=[case_of(invoice).pk])).content.decode()
        of_settled = as_pat.get(
            reverse("admin:dunning_dunningcase_change", args=[case_of(settled).pk])
        ).content.decode()
    assert str(invoice.number) in listed
    assert str(settled.number) not in listed
    assert "Reminder on 22 March 2026" in listed
    assert ages == {"0": False, "7": False, "30": True, "60": False, "more": False}
    assert str(settled.number) in everything
    assert "Mailed to 1 recipient." in page
    assert "Recovered" in of_settled


def test_the_list_costs_as_many_queries_for_many_rows(
    as_robin: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    plan = make_plan()
    overdue("one", plan=plan)
    as_robin.get(reverse(LIST))
    with django_assert_max_num_queries(60) as first:
        as_robin.get(reverse(LIST))
    for slug in ("two", "three", "four"):
        overdue(slug, plan=plan)
    with django_assert_max_num_queries(60) as second:
        as_robin.get(reverse(LIST))
    assert len(first) == len(second)
