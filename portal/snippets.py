"""Programs that send one event, ready to paste: they need only curl, Python or Node."""

import secrets
from dataclasses import dataclass
from typing import Final

KEY_PLACEHOLDER: Final = "ch_live_YOUR_KEY"

_CURL: Final = """curl -i {url}/api/v1/events \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{{
    "id": "{event_id}",
    "type": "http_request",
    "properties": {{"resource_path": "/hello", "http_method": "GET", "status": 200}}
  }}'"""

_PYTHON: Final = """import json
import urllib.request

event = {{
    "id": "{event_id}",
    "type": "http_request",
    "properties": {{"resource_path": "/hello", "http_method": "GET", "status": 200}},
}}
request = urllib.request.Request(
    "{url}/api/v1/events",
    data=json.dumps(event).encode(),
    headers={{"Authorization": "Bearer {key}", "Content-Type": "application/json"}},
)
with urllib.request.urlopen(request, timeout=10) as response:
    print(response.status, response.read().decode())"""

_JAVASCRIPT: Final = """const event = {{
  id: "{event_id}",
  type: "http_request",
  properties: {{ resource_path: "/hello", http_method: "GET", status: 200 }},
}};
fetch("{url}/api/v1/events", {{
  method: "POST",
  headers: {{ Authorization: "Bearer {key}", "Content-Type": "application/json" }},
  body: JSON.stringify(event),
}}).then(async (response) => console.log(response.status, await response.text()));"""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A program, with the title of its tab."""

    id: str
    title: str
    code: str


def snippets(*, url: str, key: str = KEY_PLACEHOLDER) -> list[Snippet]:
    """Return the program in three languages; each sends an event with an id of its own, new at each visit."""
    programs = (("curl", "curl", _CURL), ("python", "Python", _PYTHON), ("javascript", "JavaScript", _JAVASCRIPT))
    visit = secrets.token_hex(4)
    return [
        Snippet(name, title, program.format(url=url, key=key, event_id=f"{name}-{visit}"))
        for name, title, program in programs
    ]
