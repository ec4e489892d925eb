"""The programs of a call are valid in their language and send its example."""

import ast
import json
import shlex

from portal.api_reference import Call
from portal.call_snippets import call_snippets

BODY = {"name": "Dana's", "on": True, "off": None, "list": ["a", {"b": 1}], "empty": {}}


def a_call(**fields: object) -> Call:
    given = {
        "id": "x", "method": "POST", "path": "/things/{thing_id}", "tag": "Things", "summary": "", "paragraphs": (),
        "fields": (), "body": BODY, "responses": (), "is_open": False,
    }  # fmt: skip
    return Call(**(given | fields))  # type: ignore[arg-type]


def test_curl_and_python_send_the_example() -> None:
    curl, python, javascript = (one.code for one in call_snippets(a_call(), url="https://x.example", key="ch_live_A"))

    words = shlex.split(curl)
    assert json.loads(words[words.index("-d") + 1]) == BODY
    assert "https://x.example/things/THING_ID" in words
    assert "Authorization: Bearer ch_live_A" in words
    [body] = [node.value for node in ast.parse(python).body if isinstance(node, ast.Assign)][:1]
    assert ast.literal_eval(body) == BODY
    assert '"Authorization": "Bearer ch_live_A"' in javascript


def test_a_call_without_a_body_and_without_a_key() -> None:
    call = a_call(method="GET", body=None, is_open=True)
    curl, python, javascript = (one.code for one in call_snippets(call, url="https://x.example", key="ch_live_A"))

    assert curl == 'curl -i "https://x.example/things/THING_ID"'
    ast.parse(python)
    assert "ch_live_A" not in python + javascript
