"""The worst requests that can be sent: bodies, forms, addresses and headers of the maximum size, built to do harm."""

import gzip
import json
from collections.abc import Iterator
from functools import cache

KIBIBYTE = 1024
CALL_BYTES, FORM_BYTES, BATCH_BYTES = 64 * KIBIBYTE, 256 * KIBIBYTE, 5 * KIBIBYTE * KIBIBYTE


def filled(start: bytes, part: bytes, end: bytes, size: int) -> bytes:
    """Repeat `part` as often as it fits between `start` and `end`."""
    return start + part * ((size - len(start) - len(end)) // len(part)) + end


def numbered(start: bytes, form: str, end: bytes, size: int, *, at_most: int = 10**9) -> bytes:
    """Repeat `part` with a number in each, as often as it fits. The last comma is left out."""
    parts, room, number = [start], size - len(start) - len(end), 0
    while number < at_most and room >= len(part := (form % number).encode()):
        parts.append(part)
        room -= len(part)
        number += 1
    return b"".join(parts)[:-1] + end


@cache
def json_bodies(size: int) -> dict[str, bytes]:
    """Return bodies of one call, for its fields, whichever it has."""
    name = b"n" * (size // 3)
    return {
        "deep arrays": filled(b"[" * (size // 2), b"]", b"", size),
        "deep objects": filled(b'{"a":' * 900, b" ", b"1" + b"}" * 900, size),
        "wide objects": filled(b'{"name":[{}', b",{}", b"]}", size),
        "wide arrays": filled(b'{"scopes":[[]', b",[]", b"]}", size),
        "unknown names": numbered(b"{", '"n%d":1,', b"}", size),
        "names with pointers": filled(b'{"' + name + b'":[0', b",0", b',"\\u0000"]}', size),
        "one name often": filled(b'{"name":1', b',"name":1', b"}", size),
        "a long text": filled(b'{"name":"', b"x", b'"}', size),
        "a text of escapes": filled(b'{"name":"', b"\\u00e9", b'"}', size),
        "a long number": filled(b'{"quota":', b"9", b"}", size),
        "a long fraction": filled(b'{"quota":0.', b"1", b"}", size),
        "a long number in a text": filled(b'{"quantity":"', b"9", b'"}', size),
        "huge exponents": filled(b'{"quota":[1e99999999', b",1e99999999", b"]}", size),
        "scopes that are none": filled(b'{"name":"x","scopes":[1', b",1", b"]}", size),
        "many networks": filled(b'{"name":"x","scopes":[],"allowed_cidrs":["::1/128"', b',"::1/128"', b"]}", size),
        "many tenants": numbered(b'{"tenants":[', '"t%d",', b"]}", size),
        "many properties": numbered(b'{"id":"a","type":"http_request","properties":{', '"p%d":1,', b"}}", size),
        "invalid UTF-8 at the end": filled(b'{"name":"', b"x", b'\xff"}', size),
        "a NUL at the end": filled(b'{"name":["', b'","', b'\\u0000"]}', size),
        "a surrogate at the end": filled(b'{"name":["', b'","', b'\\ud800"]}', size),
        "no end": filled(b'{"name":["', b'","', b"", size),
        "quotes": filled(b"", b'"', b"", size),
        "backslashes": filled(b'{"name":"', b"\\\\", b'"}', size),
    }


@cache
def batch_bodies(member: str, identity: str) -> dict[str, tuple[bytes, int]]:
    """Return bodies of events or of access-log records, with how many items each holds."""
    start, end, size = b'{"%s":[' % member.encode(), b"]}", BATCH_BYTES
    properties = ",".join(f'"p{number}":{number}' for number in range(60))
    short = json.dumps({identity: "a", "type": "http_request"})[:-1]
    subjects = short.replace('"a"', '"a%d"') + ',"subject":"' + "," * 850 + '"},'
    return {
        "objects": (filled(start + b"{}", b",{}", end, size), 0),
        "arrays in one": (filled(start + b"[[]", b",[]", b"]" + end, size), 1),
        "properties in one": (numbered(start + short.encode() + b',"properties":{', '"p%d":1,', b"}}" + end, size), 1),
        "unknown names in one": (numbered(start + b"{", '"n%d":1,', b"}" + end, size), 1),
        "unknown names in an event": (numbered(b"{", '"n%d":1,', b"}", size), 1),
        "fractions in one": (filled(start + short.encode() + b',"quantity":[1.5', b",1.5", b"]}" + end, size), 1),
        "empty items": (filled(start + b"{}", b",{}", end, 3 * 5000 + len(start + end) - 1), 5000),
        "numbers": (filled(start + b"1", b",1", end, 2 * 5000 + len(start + end) - 1), 5000),
        "wide items": (numbered(start, short + ',"x%d":{' + properties + "}},", end, size, at_most=5000), 5000),
        "bad at the end": (numbered(start, subjects, b',{"y":1}' + end, size, at_most=4999), 5000),
        "a long text": (filled(start + short.encode() + b',"subject":"', b"x", b'"}' + end, size), 1),
        "a text of commas": (filled(start + short.encode() + b',"subject":"', b",", b'"}' + end, size), 1),
        "a long fraction": (filled(start + short.encode() + b',"quantity":0.', b"1", b"}" + end, size), 1),
        "long numbers": (filled(start + b"9" * 4000, b"," + b"9" * 4000, end, size), 1300),
        "quotes": (filled(b"", b'"', b"", size), 0),
        "backslashes": (filled(b'{"id":"', b'\\"', b'"}', size), 1),
        "invalid UTF-8 at the end": (filled(b'{"id":"', b"x", b'\xff"}', size), 1),
        "deep arrays": (filled(b"[" * (size // 2), b"]", b"", size), 0),
    }


@cache
def packed_bodies() -> dict[str, bytes]:
    """Return packed bodies for `Content-Encoding: gzip`."""
    empty, small = gzip.compress(b"", mtime=0), gzip.compress(b" " * 100, mtime=0)
    return {
        "empty members": filled(b"", empty, b"", BATCH_BYTES),
        "few empty members": filled(b"", empty, b"", CALL_BYTES),
        "small members": filled(b"", small, b"", BATCH_BYTES),
        "a bomb": gzip.compress(b" " * (8 * BATCH_BYTES), mtime=0),
        "a bomb of names": gzip.compress(json_bodies(BATCH_BYTES)["unknown names"], compresslevel=1, mtime=0),
        "cut off": gzip.compress(b"{}" * 100_000, mtime=0)[:-9],
        "stored": gzip.compress(b" " * (BATCH_BYTES - 1000), compresslevel=0, mtime=0),
    }


@cache
def forms() -> dict[str, tuple[bytes, str]]:
    """Return forms of pages."""
    urlencoded, boundary = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    file = b'--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nx\r\n'
    return {
        "escapes": (filled(b"email=", b"%41", b"", FORM_BYTES), urlencoded),
        "ampersands": (filled(b"", b"&", b"", FORM_BYTES), urlencoded),
        "fields": (filled(b"", b"a=1&", b"", FORM_BYTES), urlencoded),
        "a password": (filled(b"login=a%40b.example&email=a%40b.example&password=", b"x", b"", FORM_BYTES), urlencoded),
        "parts": (filled(b"", part, b"--b--", FORM_BYTES), boundary),
        "files": (filled(b"", file, b"--b--", FORM_BYTES), boundary),
        "hyphens": (filled(b"--b\r\n", b"-", b"", FORM_BYTES), boundary),
        "line ends": (filled(part[:-3], b"\r\n--", b"", FORM_BYTES), boundary),
        "too much": (b"a=" + b"x" * FORM_BYTES, urlencoded),
    }


def queries() -> Iterator[str]:
    """Return query strings of 16 KiB."""
    size = 16 * KIBIBYTE - 200
    values = numbered(b"", "%d,", b"", size).decode()
    yield from ("&" * size, "a=" + "%41" * (size // 3), "cursor=" + "A" * size, "cursor=" + "W1tb" * 240)
    yield from (f"group_by={values}", f"meter={'x' * size}", f"start={'9' * size}", f"limit={'9' * size}")
    yield "&".join(f"filter[{number}]={number}" for number in range(600))
    yield "&".join(f"filter[subject]={number}" for number in range(600))


def headers() -> Iterator[dict[str, str]]:
    """Return headers of 32 KiB."""
    size = 30 * KIBIBYTE
    yield {"HTTP_ACCEPT": "a/b;q=0.1," * (size // 10)}
    yield {"HTTP_ACCEPT": "text/csv;" + "a=b;" * (size // 4)}
    yield {"HTTP_COOKIE": "a=b;" * (size // 4)}
    yield {"HTTP_COOKIE": 'a="' + "\\101" * (size // 4)}
    yield {"HTTP_X_FORWARDED_FOR": "1," * (size // 2)}
    yield {"HTTP_IF_NONE_MATCH": '"a",' * (size // 4)}
    yield {"HTTP_AUTHORIZATION": "Bearer " + "x" * size}
    yield {"HTTP_IDEMPOTENCY_KEY": '"' + "x" * size}
    yield {"HTTP_X_REQUEST_ID": "x " * (size // 2)}
    yield {"HTTP_ACCEPT_LANGUAGE": "a-b;q=1," * (size // 8)}
    yield {"HTTP_HOST": "a." * (size // 2)}
    yield {"HTTP_X_ORIGINAL_URI": "/" + "%2e/" * (size // 4)}
    yield {"CONTENT_TYPE": "application/json;" + "a=b;" * 5000}
