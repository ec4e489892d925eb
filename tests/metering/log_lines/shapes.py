"""Lines as servers, gateways and containers write them, each with every field that is read from it.

A shape is its name, the format that is detected, its lines (of which the last is the request), and what differs from
`BASE`. Lines are those of the servers' documentation or of real servers, with the base's request put in.
"""

import json
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

BASE: Final[dict[str, Any]] = {
    "request_id": None,
    "ip": "203.0.113.9",
    "user": None,
    "request_time": datetime(2015, 5, 17, 10, 5, 3, tzinfo=UTC),
    "http_method": "GET",
    "resource_path": "/orders",
    "status": 200,
    "protocol": "HTTP/1.1",
    "response_length": 512,
}
MILLI: Final = datetime(2015, 5, 17, 10, 5, 3, 123000, tzinfo=UTC)
MICRO: Final = datetime(2015, 5, 17, 10, 5, 3, 123456, tzinfo=UTC)
TIME: Final = "17/May/2015:10:05:03 +0000"
REQUEST: Final = '"GET /orders?page=2 HTTP/1.1" 200 512'
COMMON: Final = f"203.0.113.9 - - [{TIME}] {REQUEST}"
COMBINED: Final = f'{COMMON} "https://example.com/" "Mozilla/5.0 (X11; \\"y\\")"'
NGINX_JSON: Final = {
    "time_iso8601": "2015-05-17T10:05:03+00:00",
    "remote_addr": "203.0.113.9",
    "remote_user": "",
    "request": "GET /orders?page=2 HTTP/1.1",
    "status": "200",
    "body_bytes_sent": "512",
    "request_time": "0.004",
    "request_id": "5c3e2f0b7a1d4e6f8090a1b2c3d4e5f6",
}
REST: Final = {
    "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
    "extendedRequestId": "JKJaXmPLvHcESHA=",
    "ip": "203.0.113.9",
    "caller": "-",
    "user": "-",
    "requestTime": TIME,
    "httpMethod": "GET",
    "resourcePath": "/orders",
    "status": "200",
    "protocol": "HTTP/1.1",
    "responseLength": "512",
}
HTTP_API: Final = {
    "requestId": "JKJaXmPLvHcESHA=",
    "ip": "203.0.113.9",
    "requestTime": TIME,
    "httpMethod": "GET",
    "routeKey": "GET /orders",
    "status": "200",
    "protocol": "HTTP/1.1",
    "responseLength": "512",
}
TRAEFIK_JSON: Final = {
    "ClientAddr": "203.0.113.9:51234",
    "ClientHost": "203.0.113.9",
    "ClientPort": "51234",
    "ClientUsername": "-",
    "DownstreamContentSize": 512,
    "DownstreamStatus": 200,
    "Duration": 4000000,
    "OriginStatus": 502,
    "RequestMethod": "GET",
    "RequestPath": "/orders?page=2",
    "RequestProtocol": "HTTP/1.1",
    "StartLocal": "2015-05-17T12:05:03.123456789+02:00",
    "StartUTC": "2015-05-17T10:05:03.123456789Z",
    "level": "info",
    "msg": "",
    "time": "2015-05-17T10:05:04Z",
}
CADDY: Final = {
    "level": "info",
    "ts": 1431857103.123456,
    "logger": "http.log.access.log0",
    "msg": "handled request",
    "request": {
        "remote_ip": "203.0.113.9",
        "remote_port": "51234",
        "client_ip": "203.0.113.9",
        "proto": "HTTP/1.1",
        "method": "GET",
        "host": "example.com",
        "uri": "/orders?page=2",
        "headers": {"User-Agent": ["curl/7.82.0"]},
    },
    "bytes_read": 0,
    "user_id": "",
    "duration": 0.000929675,
    "size": 512,
    "status": 200,
    "resp_headers": {"Server": ["Caddy"]},
}
KONG: Final = {
    "started_at": 1431857103123,
    "client_ip": "203.0.113.9",
    "request": {"method": "GET", "uri": "/orders?page=2", "url": "http://example.com:8000/orders?page=2", "size": "75"},
    "response": {"status": 200, "size": "512", "headers": {}},
    "latencies": {"request": 4},
    "consumer": {"username": "frank"},
}
ENVOY_JSON: Final = {
    "start_time": "2015-05-17T10:05:03.123Z",
    "method": "GET",
    "path": "/orders?page=2",
    "protocol": "HTTP/1.1",
    "response_code": 200,
    "response_flags": "-",
    "bytes_received": 0,
    "bytes_sent": 512,
    "duration": 4,
    "x_forwarded_for": "203.0.113.9",
    "request_id": "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2",
}
CLOUDFRONT_FIELDS: Final = (
    "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) "
    "cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes "
    "time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version"
)
CLOUDFRONT_LINE: Final = "\t".join(
    (
        *("2015-05-17", "10:05:03", "FRA2", "512", "203.0.113.9", "GET", "d1.cloudfront.net", "/orders", "200", "-"),
        *("Mozilla/4.0%20(compatible)", "page=2", "-", "Hit", "MRVMF7KydIvxMWfJIglgwHQwZsbG2IhRJ07sn9AkKUFSHS9EXAMPLE"),
        *("example.com", "https", "23", "0.001", "-", "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", "Hit", "HTTP/2.0"),
    )
)
ALB_REST: Final = (
    '"curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:us-east-2:123456789012:'
    'targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "-" 1 '
    '2015-05-17T10:05:03.100000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234abcd5678ef90'
)
IIS_FIELDS: Final = (
    "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) "
    "sc-status sc-substatus sc-win32-status sc-bytes time-taken"
)
HAPROXY: Final = (
    "203.0.113.9:33317 [17/May/2015:10:05:03.123] http-in static/srv1 10/0/30/69/109 200 512 - - ---- 1/1/1/1/0 0/0 "
    '{1wt.eu} {} "GET /orders?page=2 HTTP/1.1"'
)
HTTPSLOG_REST: Final = " 0/0000000000000000/0/0/0 example.com/TLSv1.3/TLS_AES_256_GCM_SHA384"


class Shape(NamedTuple):
    """Lines of one log, the format by which they are read, and what the last one says other than `BASE`."""

    name: str
    format: str
    lines: tuple[str, ...]
    differs: dict[str, Any]
    zone: str | None = None


def _shape(name: str, log_format: str, line: str, **differs: Any) -> Shape:
    return Shape(name, log_format, (line,), differs)


def _json(name: str, log_format: str, line: dict[str, Any], **differs: Any) -> Shape:
    return Shape(name, log_format, (json.dumps(line),), differs)


COMMON_SHAPES: Final = (
    _shape("common", "combined", COMMON),
    _shape("combined", "combined", COMBINED),
    _shape("a user", "combined", COMBINED.replace("- - [", "- frank [", 1), user="frank"),
    _shape("no body", "combined", COMMON.replace("512", "-"), response_length=0),
    _shape("IPv6", "combined", COMMON.replace("203.0.113.9", "2001:db8::7"), ip="2001:db8::7"),
    _shape("a Unix socket", "combined", COMMON.replace("203.0.113.9", "unix:"), ip=None),
    _shape("vhost_combined", "combined", f"example.com:443 {COMBINED}"),
    _shape("vhost_combined, an address as host", "combined", f"192.0.2.80:80 {COMBINED}"),
    _shape("a host without port", "combined", f"example.com {COMBINED}"),
    _shape("X-Forwarded-For list", "combined", COMBINED.replace("203.0.113.9", "203.0.113.9, 10.0.0.2, 10.0.0.1")),
    _shape("X-Forwarded-For list, no spaces", "combined", COMBINED.replace("203.0.113.9", "203.0.113.9,10.0.0.1")),
    _shape("X-Forwarded-For, unknown first", "combined", COMBINED.replace("203.0", "unknown, 203.0")),
    _shape("X-Forwarded-For in quotes", "combined", COMBINED.replace("203.0.113.9", '"203.0.113.9, 10.0.0.1"')),
    _shape("X-Forwarded-For before the peer", "combined", f"203.0.113.9 {COMBINED.replace('203.0.113.9', '10.0.0.1')}"),
    _shape("no X-Forwarded-For before the peer", "combined", f"- {COMBINED}"),
    _shape("nginx main", "combined", f'{COMBINED} "198.51.100.1"'),
    _shape("nginx ingress", "combined", f"{COMBINED} 338 0.004 [default-web-80] [] 10.2.0.7:80 512 0.004 200 5c3e2f0b"),
    _shape("nginx $msec", "combined", COMMON.replace(TIME, "1431857103.123"), request_time=MILLI),
    _shape("nginx $msec, bare", "combined", COMMON.replace(f"[{TIME}]", "1431857103.123"), request_time=MILLI),
    _shape("nginx $time_iso8601", "combined", COMMON.replace(TIME, "2015-05-17T12:05:03+02:00")),
    _shape("$time_iso8601, bare", "combined", COMMON.replace(f"[{TIME}]", "2015-05-17T12:05:03+02:00")),
    _shape("Apache %z without colon", "combined", COMMON.replace(TIME, "2015-05-17T12:05:03+0200")),
    _shape("Apache milliseconds", "combined", COMMON.replace(":03 ", ":03.123 "), request_time=MILLI),
    _shape("ISO milliseconds, comma", "combined", COMMON.replace(TIME, "2015-05-17 10:05:03,123Z"), request_time=MILLI),
    _shape("the time first", "combined", f'[{TIME}] 203.0.113.9 - frank {REQUEST} "-" "-"', user="frank"),
    _shape("the time first, client in quotes", "combined", f'2015-05-17T10:05:03Z "203.0.113.9" {REQUEST}'),
    _shape("client alone", "combined", f"203.0.113.9 [{TIME}] {REQUEST} 0.004"),
    _shape(
        "all quoted",
        "combined",
        f'"203.0.113.9" "-" "frank" "[{TIME}]" "GET /orders?page=2 HTTP/1.1" "200" "512" "-" "curl/8.1"',
        user="frank",
    ),
    _shape("quoted as a whole", "combined", json.dumps(COMMON)),
    _shape("quoted as in CSV", "combined", '"' + COMMON.replace('"', '""') + '"'),
    _shape(
        "Traefik CLF",
        "combined",
        f'{COMMON} "-" "-" 37 "web@docker" "http://172.19.0.3:80" 3ms',
    ),
    _shape(
        "API Gateway CLF",
        "combined",
        f'203.0.113.9 - - [{TIME}]"GET /orders HTTP/1.1" 200 512 c6af9ac6-7b61-11e6-9a41-93e8deadbeef JKJaXmPLvHcESHA=',
    ),
    _shape(
        "HAProxy option httplog clf",
        "combined",
        f'{COMMON} "" "" 51234 109 "http-in" "static" "srv1" 10 0 30 69 109 ---- 1 1 1 1 0 0 0 "{{1wt.eu}}" "{{}}"',
    ),
    _shape(
        "not HTTP",
        "combined",
        f'203.0.113.9 - - [{TIME}] "\\x16\\x03\\x01" 400 150 "-" "-"',
        http_method=None,
        resource_path=None,
        protocol=None,
        status=400,
        response_length=150,
    ),
)
JSON_SHAPES: Final = (
    _json("nginx JSON", "nginx-json", NGINX_JSON),
    _json(
        "nginx JSON, $msec and parts",
        "nginx-json",
        {
            "msec": "1431857103.123",
            "remote_addr": "203.0.113.9",
            "request_method": "GET",
            "request_uri": "/orders?page=2",
            "uri": "/index.php",
            "server_protocol": "HTTP/1.1",
            "status": 200,
            "bytes_sent": 512,
        },
        request_time=MILLI,
    ),
    _json(
        "records of POST /access-logs",
        "records",
        {**BASE, "request_id": "r-1", "request_time": "2015-05-17T10:05:03Z", "resource_path": "/orders?page=2"},
        request_id="r-1",
    ),
    _json("API Gateway REST", "apigateway", REST, request_id="JKJaXmPLvHcESHA="),
    _json("API Gateway, a request id alone", "apigateway", {**REST, "extendedRequestId": "-"}),
    _json("API Gateway HTTP", "apigateway", HTTP_API),
    _json(
        "API Gateway HTTP, $default",
        "apigateway",
        {**HTTP_API, "routeKey": "$default", "responseLength": "-"},
        resource_path=None,
        response_length=0,
    ),
    _json(
        "API Gateway, epoch",
        "apigateway",
        {**REST, "requestTimeEpoch": "1431857103123"},
        request_id="JKJaXmPLvHcESHA=",
        request_time=MILLI,
    ),
    _json("Traefik JSON", "traefik", TRAEFIK_JSON, request_time=MICRO),
    _json("Traefik JSON, the address alone", "traefik", {**TRAEFIK_JSON, "ClientHost": "-"}, request_time=MICRO),
    _json("Caddy, float seconds", "caddy", CADDY, request_time=MICRO),
    _json("Caddy, whole seconds and a user", "caddy", {**CADDY, "ts": 1431857103, "user_id": "frank"}, user="frank"),
    _json("Kong", "kong", KONG, user="frank", request_time=MILLI, protocol=None),
    _json("Envoy JSON", "envoy-json", ENVOY_JSON, request_time=MILLI),
)
PROXY_SHAPES: Final = (
    Shape(
        "CloudFront",
        "w3c",
        ("#Version: 1.0", CLOUDFRONT_FIELDS, CLOUDFRONT_LINE),
        {"request_id": "MRVMF7KydIvxMWfJIglgwHQwZsbG2IhRJ07sn9AkKUFSHS9EXAMPLE", "protocol": "HTTP/2.0"},
    ),
    Shape(
        "IIS",
        "w3c",
        (
            "#Software: Microsoft Internet Information Services 10.0",
            IIS_FIELDS,
            "2015-05-17 10:05:03 10.0.0.1 GET /orders page=2 443 frank 203.0.113.9 Mozilla/5.0+(X11) 200 0 0 512 46",
        ),
        {"user": "frank", "protocol": None},
    ),
    _shape(
        "AWS application load balancer",
        "alb",
        "https 2015-05-17T10:05:03.123456Z app/my-loadbalancer/50dc6c495c0c9188 203.0.113.9:2817 10.0.0.1:80 0.086 "
        f'0.048 0.037 200 502 0 512 "GET https://www.example.com:443/orders?page=2 HTTP/1.1" {ALB_REST}',
        request_time=MICRO,
    ),
    _shape(
        "AWS classic load balancer",
        "alb",
        "2015-05-17T10:05:03.123456Z my-loadbalancer 203.0.113.9:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 "
        '512 "GET http://www.example.com:80/orders?page=2 HTTP/1.1" "curl/7.38.0" - -',
        request_time=MICRO,
    ),
    _shape(
        "AWS load balancer, a malformed request",
        "alb",
        "http 2015-05-17T10:05:03.123456Z app/my-loadbalancer/50dc6c495c0c9188 203.0.113.9:2817 - -1 -1 -1 400 - 0 272 "
        '"- http://www.example.com:80- -" "-" - - - "-" "-" "-" - 2015-05-17T10:05:03.0Z "-" "-" "-" "-" "-" "-" "-"',
        request_time=MICRO,
        http_method=None,
        resource_path=None,
        protocol=None,
        status=400,
        response_length=272,
    ),
    Shape(
        "HAProxy through syslog",
        "haproxy",
        (f"Feb  6 12:14:14 localhost haproxy[14389]: {HAPROXY.replace('10:05', '12:05')}",),
        {"request_time": MILLI},
        "Europe/Berlin",
    ),
    Shape(
        "HAProxy, IPv6 and TLS",
        "haproxy",
        (HAPROXY.replace("203.0.113.9", "2001:db8::7").replace(" 512", " +512") + HTTPSLOG_REST,),
        {"request_time": MILLI, "ip": "2001:db8::7"},
        "UTC",
    ),
    _shape(
        "Envoy",
        "envoy",
        '[2015-05-17T10:05:03.123Z] "GET /orders?page=2 HTTP/1.1" 200 - 0 512 226 100 "203.0.113.9, 10.0.35.28" "curl" '
        '"cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "example.com" "10.0.2.1:80"',
        request_time=MILLI,
    ),
    _shape(
        "Istio",
        "envoy",
        '[2015-05-17T10:05:03.123Z] "GET /orders?page=2 HTTP/1.1" 200 - via_upstream - "-" 0 512 1 1 "203.0.113.9" '
        '"curl/7.64.0" "84961386-6d84" "httpbin:8000" "127.0.0.1:80" inbound|8000|| 127.0.0.1:41854 - default',
        request_time=MILLI,
    ),
)
ENVELOPE_SHAPES: Final = (
    _json(
        "Docker json-file",
        "combined",
        {"log": COMBINED + "\n", "stream": "stdout", "time": "2015-05-17T10:05:04.98Z"},
    ),
    _json(
        "Docker json-file around JSON",
        "nginx-json",
        {"log": json.dumps(NGINX_JSON) + "\n", "stream": "stdout", "time": "2015-05-17T10:05:04.98Z"},
    ),
    _shape("CRI", "combined", f"2015-05-17T10:05:04.669794202Z stdout F {COMBINED}"),
    _json("journald", "combined", {"__REALTIME_TIMESTAMP": "1431857104000000", "_PID": "77", "MESSAGE": COMBINED}),
    _shape("syslog in a file", "combined", f"May 17 10:05:04 web-1 nginx: {COMBINED}"),
    _shape("syslog with a priority", "combined", f"<190>May 17 10:05:04 web-1 nginx[77]: {COMBINED}"),
    _shape("syslog, ISO", "combined", f"2015-05-17T10:05:04.123456+02:00 web-1 nginx[77]: {COMBINED}"),
    _shape("journalctl -o short-iso", "combined", f"2015-05-17T10:05:04+0200 web-1 nginx[77]: {COMBINED}"),
    _shape("syslog, RFC 5424", "combined", f"<190>1 2015-05-17T10:05:04.003Z web-1 nginx 77 - - {COMBINED}"),
    _shape(
        "syslog, RFC 5424 with data",
        "combined",
        f'<190>1 2015-05-17T10:05:04.003Z web-1 nginx 77 access [a@1 b="c"][d@1 e="f"] {COMBINED}',
    ),
    _shape("docker logs --timestamps", "combined", f"2015-05-17T10:05:04.669794202Z {COMBINED}"),
    _shape("Docker Compose", "combined", f"web-1  | {COMBINED}"),
    _shape("kubectl logs --prefix", "combined", f"[pod/web-7d4b9/nginx] {COMBINED}"),
    _shape("syslog in CRI", "combined", f"2015-05-17T10:05:04.6Z stdout F May 17 10:05:04 web-1 nginx: {COMBINED}"),
)
SHAPES: Final = (*COMMON_SHAPES, *JSON_SHAPES, *PROXY_SHAPES, *ENVELOPE_SHAPES)
