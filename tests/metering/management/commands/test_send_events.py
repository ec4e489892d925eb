"""The command that sends events: it prints which lines were stored or refused, and a second run stores none twice."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.domain.api_key import KeyKind
from accounts.domain.scopes import Scope
from metering.gateways import event_api
from metering.models import Event
from tests.metering.ledger_world import make_key, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def secret() -> str:
    return make_key(make_tenant("acme"), scopes=[Scope.EVENTS_WRITE])[1]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    lines = [json.dumps({"id": str(number), "type": "http_request"}) for number in range(5)]
    path.write_text("\n".join([*lines, "", "{", ""]))
    return path


def test_each_line_is_stored_once_and_a_bad_one_named(
    secret: str, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTINGHOUSE_API_KEY", secret)
    for accepted, duplicates in ((5, 0), (0, 5)):
        with pytest.raises(SystemExit) as ended:
            call_command("send_events", str(file))
        assert ended.value.code == 1
        told = capsys.readouterr()
        assert "line 7: invalid_json" in told.err
        assert f"accepted    {accepted}\nduplicates  {duplicates}\nrefused     1" in told.out
    call_command("send_events", str(file), "--from-line", "8")
    assert Event.objects.count() == 5


def test_a_missing_or_wrong_key_is_refused(secret: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COUNTINGHOUSE_API_KEY", raising=False)
    with pytest.raises(CommandError, match="COUNTINGHOUSE_API_KEY"):
        call_command("send_events", str(file))
    service = make_key(None, kind=KeyKind.SERVICE, scopes=list(Scope))[1]
    reader = make_key(make_tenant("globex"), scopes=[Scope.USAGE_READ])[1]
    for key, words in (("ch_live_x", "unknown"), (service, "service key"), (reader, "scope")):
        with pytest.raises(CommandError, match=words):
            call_command("send_events", str(file), "--key", key)
    monkeypatch.setattr(event_api, "_PAUSES_SECONDS", (0.01, 0.01))
    with pytest.raises(CommandError, match="cannot be reached"):
        call_command("send_events", str(file), "--key", secret, "--url", "http://127.0.0.1:1")
