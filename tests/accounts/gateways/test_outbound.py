"""Requests to addresses of customers: whom they reach, what they follow, and how much they take."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from accounts.domain.public_addresses import read_networks
from accounts.gateways import outbound as module
from accounts.gateways.outbound import LookUp, Outbound, Reply

HERE = read_networks(["127.0.0.0/8", "::1/128"])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Server:
    """A server of a few lines. It counts its connections and keeps what it was sent."""

    answer: bytes = OK
    behaves: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None
    tls: ssl.SSLContext | None = None
    connections: int = 0
    received: list[bytes] = field(default_factory=list)
    port: int = 0
    served: set["asyncio.Task[None]"] = field(default_factory=set)

    async def __aenter__(self) -> "Server":
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for task in self.served:
            task.cancel()
        await asyncio.gather(*self.served, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.served.add(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
                )
                self.received.append(head + await reader.readexactly(length))
                if self.behaves is not None:
                    await self.behaves(writer)
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()


def resolved(*addresses: str) -> LookUp:
    """Return a look-up that returns one address after the other, the last one for ever."""
    left = list(addresses)

    def look_up(host: str, port: int) -> list[tuple[Any, ...]]:
        address = left.pop(0) if len(left) > 1 else left[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    return look_up


async def sent(url: str, **options: Any) -> Reply:
    async with Outbound(**options) as outbound:
        return await outbound.post(url, body=b'{"a":1}', headers={"webhook-id": "m"})


def test_a_request_is_sent_once_with_its_bytes_and_headers() -> None:
    async def scene() -> tuple[Server, Reply, Reply]:
        async with Server() as server:
            async with Outbound(allowed=HERE) as outbound:
                url = f"http://127.0.0.1:{server.port}/in?x=%2F"
                first = await outbound.post(url, body=b'{"a":1}', headers={"webhook-id": "m"})
                second = await outbound.post(url, body=b"{}", headers={})
            return server, first, second

    server, first, second = asyncio.run(scene())
    assert (first.status_code, first.error, first.text) == (200, "", "ok")
    assert second.status_code == 200
    assert server.connections == 1  # kept for the second
    assert server.received[0].startswith(b"POST /in?x=%2F HTTP/1.1\r\n")
    assert server.received[0].endswith(b'\r\n\r\n{"a":1}')
    assert b"webhook-id: m\r\n" in server.received[0]
    assert b"Accept-Encoding: identity" in server.received[0]


@pytest.mark.parametrize("is_allowed", [True, False], ids=["the control", "the rule"])
def test_nothing_that_is_not_public_is_connected_to(is_allowed: bool) -> None:
    async def scene() -> tuple[int, list[str]]:
        async with Server() as server:
            options = {"allowed": HERE} if is_allowed else {}
            replies = [await sent(f"http://127.0.0.1:{server.port}/", **options)]
            replies += [
                await sent(f"http://hooks.example.com:{server.port}/", look_up=resolved(address), **options)
                for address in ("127.0.0.1", "::ffff:127.0.0.1")
            ]
            return server.connections, [reply.error for reply in replies]

    connections, errors = asyncio.run(scene())
    assert connections == (3 if is_allowed else 0)
    assert all(errors) is not is_allowed


@pytest.mark.parametrize("is_allowed", [True, False], ids=["the control", "the rule"])
def test_a_name_that_leads_elsewhere_at_the_second_look_up_is_not_followed(is_allowed: bool) -> None:
    # The first address is public, and nothing listens there; the next ones are ours.
    async def scene() -> tuple[int, list[str]]:
        look_up = resolved("192.31.197.1", *["127.0.0.1"] * 5)
        async with Server() as server:
            options: dict[str, Any] = {"allowed": HERE} if is_allowed else {}
            async with Outbound(look_up=look_up, seconds_max=1, **options) as outbound:
                url = f"http://hooks.example.com:{server.port}/"
                errors = [(await outbound.post(url, body=b"", headers={})).error for _ in range(3)]
            return server.connections, errors

    connections, errors = asyncio.run(scene())
    if is_allowed:
        assert connections == 1
    else:
        assert connections == 0
        assert set(errors[1:]) == {"The host leads to an address that is not public."}


def test_a_name_with_one_private_address_among_public_ones_is_refused() -> None:
    def look_up(host: str, port: int) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("8.8.8.8", "10.0.0.1")]

    reply = asyncio.run(sent("http://hooks.example.com/", look_up=look_up))
    assert reply == Reply(
        None, "The host leads to an address that is not public.", "", "", reply.milliseconds, may_have_arrived=False
    )


def test_the_socket_itself_refuses_an_address_that_nothing_checked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        place = {"hostname": host, "host": "127.0.0.1", "port": port, "proto": 6, "flags": 0}
        return [place | {"family": socket.AF_INET}]

    async def scene() -> tuple[int, Reply]:
        async with Server() as server:
            return server.connections, await sent(f"http://hooks.example.com:{server.port}/")

    monkeypatch.setattr(module._CheckedResolver, "resolve", resolve)
    connections, reply = asyncio.run(scene())
    assert connections == 0
    assert reply.error == "The host leads to an address that is not public."


@pytest.mark.takes_long("it waits for deadlines")
def test_the_outcome_is_told_for_each_way_to_misbehave() -> None:
    async def hangs(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3)

    async def drops(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        raise ConnectionError

    async def floods(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
        for _ in range(1600):
            writer.write(b"x" * 65536)
            await writer.drain()

    async def drips(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.2)

    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    busy = b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"

    async def scene() -> dict[str, Reply]:
        kinds = {
            "hangs": Server(behaves=hangs),
            "drops": Server(behaves=drops),
            "floods": Server(behaves=floods),
            "drips": Server(behaves=drips),
            "moved": Server(moved),
            "busy": Server(busy),
            "no http": Server(b"SSH-2.0-x\r\n\r\n"),
            "nul": Server(b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\na\x00\xff"),
        }
        replies = {}
        for name, server in kinds.items():
            async with server:
                replies[name] = await sent(f"http://127.0.0.1:{server.port}/", allowed=HERE, seconds_max=1)
        replies["closed port"] = await sent(f"http://127.0.0.1:{server.port}/", allowed=HERE)
        replies["nowhere"] = await sent("http://nowhere.invalid.example/", look_up=unresolved)
        return replies

    def unresolved(host: str, port: int) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    replies = asyncio.run(scene())
    assert replies["hangs"].error == "No response within 1 seconds."
    assert 900 < replies["hangs"].milliseconds < 2500
    assert replies["drops"].error == "The connection was closed before a response came."
    assert (replies["floods"].status_code, len(replies["floods"].text)) == (200, 2000)
    assert replies["drips"].status_code == 200
    assert replies["drips"].milliseconds < 2500
    assert replies["moved"].error == "HTTP 302: redirects are not followed."
    assert (replies["busy"].status_code, replies["busy"].retry_after) == (429, "7")
    assert replies["no http"].error == "The response could not be read."
    assert (replies["nul"].error, replies["nul"].text) == ("HTTP 500", "a\ufffd\ufffd")
    assert replies["closed port"].error == "No connection could be made."
    assert replies["nowhere"].error == "The host name cannot be resolved."


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS settings with a certificate of its own making, and the file of the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("192.0.2.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


def test_tls_is_verified_for_the_name_though_the_connection_goes_to_the_address(tmp_path: Path) -> None:
    served, file = certificate(tmp_path, "hooks.example.com")

    async def scene() -> list[Reply]:
        async with Server(tls=served) as server:
            trusting = ssl.create_default_context(cafile=file)
            options: dict[str, Any] = {"allowed": HERE, "look_up": resolved("127.0.0.1")}
            return [
                await sent(f"https://hooks.example.com:{server.port}/", tls=trusting, **options),
                await sent(f"https://other.example.com:{server.port}/", tls=trusting, **options),
                await sent(f"https://hooks.example.com:{server.port}/", **options),
            ]

    right, other_name, untrusted = asyncio.run(scene())
    assert right.status_code == 200
    assert other_name.error == untrusted.error == "The TLS certificate is not valid for this host."
