"""Faults of the fakes: a plan is used as often as it says, and a storm is the same for the same seed."""

from config.workbench.faults import LOST, TIMEOUT, TOO_MANY, Fault, Faults


def test_a_planned_fault_is_of_its_calls_and_as_often_as_it_says() -> None:
    faults = Faults()
    faults.plan(Fault("/v1/invoices.*", 500, method="POST", times=2))
    assert faults.next("GET", "/v1/invoices") is None
    assert faults.next("POST", "/v1/charges") is None
    found = [faults.next("POST", "/v1/invoices/in_1/pay") for _ in range(3)]
    assert [fault and fault.status for fault in found] == [500, 500, None]


def test_a_storm_draws_the_same_faults_for_the_same_seed_and_ends() -> None:
    def drawn(seed: int) -> list[tuple[int, bool] | None]:
        faults = Faults()
        faults.begin_storm(seed=seed, rate=0.5)
        found = [faults.next("GET", "/v1/invoices") for _ in range(200)]
        return [None if fault is None else (fault.status, fault.is_after) for fault in found]

    assert drawn(1) == drawn(1) != drawn(2)
    kinds = set(drawn(1)) - {None}
    assert kinds == {
        (LOST, False),
        (LOST, True),
        (TIMEOUT, False),
        (TIMEOUT, True),
        (TOO_MANY, False),
        (500, False),
        (500, True),
    }

    faults = Faults()
    faults.begin_storm(seed=1, rate=1)
    fault = faults.next("GET", "/")
    assert fault is not None
    faults.wait(fault)
    faults.end_storm()
    assert faults.next("GET", "/") is None
    assert sum(faults.drawn.values()) == 1
