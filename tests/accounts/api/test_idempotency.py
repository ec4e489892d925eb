"""`Idempotency-Key`: one effect and one response, however often a client retries."""

import threading
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection, transaction
from django.http import HttpResponse

from accounts.domain.api_key import KeyKind
from accounts.domain.identifiers import uuid7
from accounts.domain.roles import Role
from accounts.domain.sealing import unseal
from accounts.keys.services.api_keys import CreatedKey
from accounts.models import ApiKey, IdempotencyRecord, Tenant, User
from accounts.services.idempotency import claim_idempotency_key
from tests.accounts.conftest import Api, KeyMaker, body_of, join, problem_of

NEW = {"name": "Nightly import", "scopes": ["usage:read"]}
ONCE = {"Idempotency-Key": "order-7"}


def test_the_same_request_again_gets_the_first_answer(api: Api) -> None:
    first, second = (api.post("/keys", NEW, headers=ONCE) for _ in range(2))
    assert "Idempotency-Replayed" not in first
    assert (second.status_code, second.content, second["Content-Type"]) == (201, first.content, "application/json")
    assert second["Idempotency-Replayed"] == "true"
    assert ApiKey.objects.filter(name=NEW["name"]).count() == 1


def test_a_secret_is_kept_out_of_caches_also_when_it_is_shown_again(api: Api) -> None:
    first, second = (api.post("/keys", NEW, headers=ONCE) for _ in range(2))
    assert [response["Cache-Control"] for response in (first, second)] == ["no-store", "no-store"]


def test_a_key_in_quotes_is_the_same_key(api: Api) -> None:
    api.post("/keys", NEW, headers=ONCE)
    assert api.post("/keys", NEW, headers={"Idempotency-Key": '"order-7"'})["Idempotency-Replayed"] == "true"


def test_another_body_another_path_or_another_caller_under_the_same_key_is_refused(
    api: Api, acme: Tenant, make_key: KeyMaker
) -> None:
    made = body_of(api.post("/keys", NEW, headers=ONCE))
    others = (
        api.post("/keys", NEW | {"name": "Other"}, headers=ONCE),
        api.post("/keys", raw=b'{"name": "Nightly import", "scopes":  ["usage:read"]}', headers=ONCE),
        api.post(f"/keys/{made['id']}/rotate", {}, headers=ONCE),
        Api(make_key(acme).secret).post("/keys", NEW, headers=ONCE),
    )
    for response in others:
        assert problem_of(response, 422)["code"] == "idempotency_key_reused"
    assert ApiKey.objects.filter(name=NEW["name"]).count() == 1


def test_tenants_and_ledgers_have_keys_of_their_own(
    api: Api, globex_api: Api, acme: Tenant, make_key: KeyMaker
) -> None:
    test_api = Api(make_key(acme, KeyKind.TEST).secret)
    answers = [caller.post("/keys", NEW, headers=ONCE) for caller in (api, globex_api, test_api)]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 3


def test_a_refusal_is_not_kept(api: Api) -> None:
    problem_of(api.post("/keys", NEW | {"scopes": []}, headers=ONCE), 422)
    assert api.post("/keys", NEW, headers=ONCE).status_code == 201


def test_after_a_day_the_key_is_free_again(api: Api, now: datetime) -> None:
    first = api.post("/keys", NEW, headers=ONCE)
    with time_machine.travel(now + timedelta(hours=23, minutes=59), tick=False):
        assert api.post("/keys", NEW, headers=ONCE).content == first.content
    with time_machine.travel(now + timedelta(hours=24, minutes=1), tick=False):
        assert api.post("/keys", NEW, headers=ONCE).content != first.content


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "é", "tab\there"])
def test_a_bad_idempotency_key_is_refused(api: Api, key: str) -> None:
    assert (
        problem_of(api.post("/keys", NEW, headers={"Idempotency-Key": key}), 400)["code"] == "invalid_idempotency_key"
    )


def test_a_bad_body_is_refused_before_the_key_is_taken(api: Api) -> None:
    problem_of(api.post("/keys", raw=b"{", headers=ONCE), 400)
    assert not IdempotencyRecord.objects.exists()


def test_an_answer_with_a_secret_is_kept_sealed(api: Api, acme_key: CreatedKey) -> None:
    response = api.post("/keys", NEW, headers=ONCE)
    record = IdempotencyRecord.objects.get()
    assert record.is_sealed
    assert body_of(response)["secret"].encode() not in bytes(record.body)
    assert unseal(bytes(record.body), acme_key.secret) == response.content


@pytest.fixture
def committed_api(transactional_db: None, make_key: KeyMaker, now: datetime) -> Api:
    alice = User.objects.create_user("alice@example.com")
    tenant = Tenant.objects.create(id=uuid7(now), slug="acme", name="Acme", created_at=now)
    join(tenant, alice, Role.OWNER, now)
    return Api(make_key(tenant).secret)


def post_beside(api: Api, answers: list[HttpResponse]) -> None:
    try:
        answers.append(api.post("/keys", NEW, headers=ONCE))
    finally:
        connection.close()


def test_a_request_under_a_key_that_another_connection_holds_is_a_conflict(committed_api: Api) -> None:
    # A real second connection sends the request while the first one's transaction is open. Once that is over, it does
    # the work.
    record_scope = ApiKey.objects.get().tenant_id
    answers: list[HttpResponse] = []
    with transaction.atomic():
        claim_idempotency_key(
            scope_id=record_scope, key="order-7", request_digest=b"x" * 32, as_of=datetime.now().astimezone()
        )
        thread = threading.Thread(target=post_beside, args=(committed_api, answers))
        thread.start()
        thread.join(timeout=20)
        assert problem_of(answers[0], 409)["code"] == "idempotency_in_progress"
        # Control: the claim stops it, not the connection. Another key goes through beside it.
        assert ApiKey.objects.count() == 1
    assert committed_api.post("/keys", NEW, headers=ONCE).status_code == 201


@pytest.mark.parametrize(("headers", "made"), [(ONCE, 1), ({}, 6)], ids=["with-key", "control-without"])
def test_of_many_at_once_one_does_the_work(committed_api: Api, headers: dict[str, str], made: int) -> None:
    # The control shows that the rig runs them side by side: without a key, each request creates its own.
    answers: list[HttpResponse] = []
    start = threading.Barrier(6)

    def send() -> None:
        try:
            start.wait(timeout=20)
            answers.append(committed_api.post("/keys", NEW, headers=headers))
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert ApiKey.objects.filter(name=NEW["name"]).count() == made
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == made


def test_a_connection_that_dies_before_the_commit_leaves_nothing(committed_api: Api) -> None:
    # PostgreSQL ends the connection in the middle of the work: no key, no response, no lock stays.
    tenant_id = ApiKey.objects.get().tenant_id
    as_of = datetime.now().astimezone()

    def die() -> None:
        with pytest.raises(Exception, match=r"terminat|closed|lost"), transaction.atomic():  # noqa: PT012 - the commit itself fails
            claim_idempotency_key(scope_id=tenant_id, key="order-7", request_digest=b"x" * 32, as_of=as_of)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        connection.close()

    thread = threading.Thread(target=die)
    thread.start()
    thread.join(timeout=20)
    assert not IdempotencyRecord.objects.exists()
    assert committed_api.post("/keys", NEW, headers=ONCE).status_code == 201
