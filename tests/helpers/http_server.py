"""A web server on loopback that misbehaves as told, and remembers what it was asked."""

import base64
import re
import ssl
import tempfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

# A throw-away key for 127.0.0.1 and the certificate that it signed itself, until 2120.
KEY = """
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmp+lDdr9QBbiN3J4wGljBBdWg1klHIBIw/6QCIxwJBWhRANC
AASyl5ertCzfxZOIphpc9ejEtKl/HUGRJI1KCq2P9/u7qkPVq//ahdGBENi7LTzL7od9fc3dAAS5o+rHJvG/UR0t"""
CERTIFICATE = """
MIIBbDCCARKgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwIBcNMjAwMTAxMDAwMDAwWhgPMjEy
MDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMMCTEyNy4wLjAuMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABLKXl6u0LN/Fk4im
Glz16MS0qX8dQZEkjUoKrY/3+7uqQ9Wr/9qF0YEQ2LstPMvuh319zd0ABLmj6scm8b9RHS2jUzBRMA8GA1UdEQQIMAaHBH8A
AAEwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAoQwHQYDVR0OBBYEFNkmm6An9wKmBCo0KMVq77+8IK1dMAoGCCqG
SM49BAMCA0gAMEUCIDdLPcWTJewDLGO2ExsE/FwmvG7YcTjcZaCI4mUw9Zl6AiEA7eiVe/xLqjs+Sj3Qr/RzHMSDbJ9OiKVL
5gN7OfQrb3s="""
SLICE = 8192  # bytes sent at once


@dataclass
class Reply:
    """How to answer one request."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    last_modified: str | None = None
    ranges: bool = True  # answer a request for a range with that range
    mind_if_range: bool = True
    length: bool = True  # announce the length of the body
    cut_after: int | None = None  # bytes of this answer, then the connection is closed
    stall_after: int | None = None  # bytes of this answer, then nothing more
    pace: float | None = None  # bytes a second
    raw: bool = False  # the body is all that is sent, status line and headers included


@dataclass
class Request:
    """What the server was asked for and what it sent."""

    path: str
    headers: dict[str, str]
    status: int
    sent: int = 0  # bytes of the body


class FaultyServer:
    """Serves on loopback while entered as a context.

    ``replies`` holds the answers for each path, one for each request; the last one stays.
    """

    def __init__(self, secure: bool = False) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self._secure = secure
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        if secure:
            with tempfile.TemporaryDirectory() as folder:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                key = Path(folder) / "key.pem"
                key.write_text(certificate() + _pem("PRIVATE KEY", KEY))
                context.load_cert_chain(key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve(self, path: str, *replies: Reply) -> str:
        """Say how to answer requests for a path; return its URL."""
        self.replies[path] = list(replies)
        return self.url(path)

    def url(self, path: str) -> str:
        scheme = "https" if self._secure else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}{path}"


def certificate() -> str:
    """The server's certificate as PEM: who trusts it can connect."""
    return _pem("CERTIFICATE", CERTIFICATE)


def _pem(kind: str, text: str) -> str:
    text = base64.encodebytes(base64.b64decode(text)).decode()
    return f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n"


class _Server(ThreadingHTTPServer):
    owner: FaultyServer
    daemon_threads = False  # closing the server waits for them

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, or does not trust the certificate, is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        owner = self.server.owner
        # A client that takes this server for a proxy sends the whole URL.
        path = urlsplit(self.path).path
        replies = owner.replies.get(path) or [Reply(b"nothing here", 404)]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        status, headers, body = self._answer(reply)
        request = Request(self.path, dict(self.headers), status)
        owner.requests.append(request)

        self.close_connection = True  # one request a connection: simple, and cuts are visible
        if not reply.raw:
            self.send_response(status)
            for name, value in {**headers, **reply.headers, "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
        self._send(body, reply, request)

    do_HEAD = do_GET  # noqa: N815 - the same without the body

    def _answer(self, reply: Reply) -> tuple[int, dict[str, str], bytes]:
        headers = {"ETag": reply.etag, "Last-Modified": reply.last_modified}
        headers = {name: value for name, value in headers.items() if value}
        status, body = reply.status, reply.body
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        version = self.headers.get("If-Range")
        same = version in (None, reply.etag, reply.last_modified) or not reply.mind_if_range
        if status == 200 and asked and reply.ranges and same:
            first, size = int(asked[1]), len(body)
            if first >= size:
                status, body = 416, b""
                headers["Content-Range"] = f"bytes */{size}"
            else:
                status, body = 206, body[first:]
                headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
        if reply.length:
            headers["Content-Length"] = str(len(body))
        return status, headers, body

    def _send(self, body: bytes, reply: Reply, request: Request) -> None:
        stopping = self.server.owner.stopping
        ends = [end for end in (reply.cut_after, reply.stall_after) if end is not None]
        ends += [0] if self.command == "HEAD" else []
        end = min([len(body), *ends])
        while request.sent < end and not stopping.is_set():
            step = min(SLICE, end - request.sent)
            if reply.pace:
                step = min(step, max(1, int(reply.pace / 50)))
                stopping.wait(step / reply.pace)
            self.wfile.write(body[request.sent : request.sent + step])
            request.sent += step
        if reply.stall_after is not None:
            stopping.wait(30)
