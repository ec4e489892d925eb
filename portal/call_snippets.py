"""A call of the API as a program: for curl, Python and JavaScript, ready to paste but for the key."""

import json
import re
from typing import Final

from portal.api_reference import Call
from portal.snippets import Snippet

_PLACE: Final = re.compile(r"\{(?P<name>\w+)\}")


def call_snippets(call: Call, *, url: str, key: str) -> list[Snippet]:
    """Return the call in three languages. Parts of the path are in capitals: replace them."""
    address = url + _PLACE.sub(lambda found: found["name"].upper(), call.path)
    return [
        Snippet("curl", "curl", _curl(call, address, key)),
        Snippet("python", "Python", _python(call, address, key)),
        Snippet("javascript", "JavaScript", _javascript(call, address, key)),
    ]


def _headers(call: Call, key: str) -> dict[str, str]:
    headers = {} if call.is_open else {"Authorization": f"Bearer {key}"}
    return headers if call.body is None else {**headers, "Content-Type": "application/json"}


def _curl(call: Call, address: str, key: str) -> str:
    method = "" if call.method == "GET" else f"-X {call.method} "
    parts = [f'curl -i {method}"{address}"']
    parts += [f'-H "{name}: {value}"' for name, value in _headers(call, key).items()]
    if call.body is not None:
        body = json.dumps(call.body, indent=2, ensure_ascii=False).replace("'", "'\\''").replace("\n", "\n    ")
        parts.append(f"-d '{body}'")
    return " \\\n  ".join(parts)


def _python(call: Call, address: str, key: str) -> str:
    body = "" if call.body is None else "\n    data=json.dumps(body).encode(),"
    lines = ["import json", "import urllib.request", ""] if body else ["import urllib.request", ""]
    if call.body is not None:
        lines += [f"body = {_python_text(call.body)}"]
    lines += [
        "request = urllib.request.Request(",
        f'    "{address}",{body}',
        f'    method="{call.method}",',
        f"    headers={json.dumps(_headers(call, key))},",
        ")",
        "with urllib.request.urlopen(request, timeout=10) as response:",
        "    print(response.status, response.read().decode())",
    ]
    return "\n".join(lines)


def _python_text(value: object, indent: str = "") -> str:
    """Return a JSON value as Python writes it, one member a line."""
    inner = f"{indent}    "
    if isinstance(value, dict) and value:
        members = "".join(f"{inner}{json.dumps(k)}: {_python_text(v, inner)},\n" for k, v in value.items())
        return f"{{\n{members}{indent}}}"
    if isinstance(value, list) and value:
        return "[" + ", ".join(_python_text(one, indent) for one in value) + "]"
    constants = {True: "True", False: "False", None: "None"}
    if value is None or isinstance(value, bool):
        return constants[value]
    return json.dumps(value, ensure_ascii=False)


def _javascript(call: Call, address: str, key: str) -> str:
    body = ""
    if call.body is not None:
        written = json.dumps(call.body, indent=2, ensure_ascii=False).replace("\n", "\n  ")
        body = f"\n  body: JSON.stringify({written}),"
    return (
        f'const response = await fetch("{address}", {{\n'
        f'  method: "{call.method}",\n'
        f"  headers: {json.dumps(_headers(call, key))},{body}\n"
        "});\n"
        "console.log(response.status, await response.text());"
    )
