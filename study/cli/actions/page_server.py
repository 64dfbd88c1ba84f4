"""A small web server for one live page, on the loopback interface alone."""

from __future__ import annotations

import contextlib
import errno
import json
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

from study.cli.actions.live_page import LivePage
from study.core.errors import StudyError

HOST = "127.0.0.1"
# Names of this machine. A page of another name, which a rebound DNS entry points here, gets no reply.
_OWN_NAMES = ("127.0.0.1", "localhost", "::1")
_SECONDS_OF_A_REQUEST = 30.0
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageServer(ThreadingHTTPServer):
    """The server: `/` is the page, `/version` its version; there is nothing else.

    Args:
        page: The page.
        port: The port; 0 takes a free one.

    Raises:
        StudyError: The port is taken, or may not be used.
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, page: LivePage, *, port: int) -> None:
        self.page = page
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise StudyError(_told(port, error)) from error

    @property
    def address(self) -> str:
        """The page's address."""
        return f"http://{HOST}:{self.server_address[1]}/"


def _told(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        reason = "another program listens there"
    elif error.errno == errno.EACCES:
        reason = "only an administrator may listen there"
    else:
        reason = f"it cannot be used ({error.strerror})"
    return f"--port={port}: {reason}. Name another port, or --port=0 for any that is free."


@dataclass(frozen=True, kw_only=True)
class _Reply:
    """A reply to a request."""

    status: HTTPStatus
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    is_packed: bool = False


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: PageServer
    server_version = "study"
    sys_version = ""
    timeout: ClassVar[float] = _SECONDS_OF_A_REQUEST

    def handle(self) -> None:
        """Answer; a reader that goes away in between is no error."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def do_GET(self) -> None:
        """Answer with the page, or with its version."""
        self._send(self._reply(), with_body=True)

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self._send(self._reply(), with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: a look every two seconds is no news."""

    def _reply(self) -> _Reply:
        if not self._is_own():
            return _Reply(
                status=HTTPStatus.MISDIRECTED_REQUEST,
                body=b"This page answers at 127.0.0.1 and localhost only.\n",
            )
        path = self.path.partition("?")[0]
        if path == "/":
            page = self.server.page.look()
            is_packed = "gzip" in self.headers.get("Accept-Encoding", "")
            body = page.packed if is_packed else page.body
            return _Reply(status=HTTPStatus.OK, body=body, kind="text/html; charset=utf-8", is_packed=is_packed)
        if path == "/version":
            page = self.server.page.look()
            told = {"version": page.version, "kind": page.kind, "text": page.text, "fault": page.fault}
            return _Reply(status=HTTPStatus.OK, body=json.dumps(told).encode(), kind="application/json")
        if path == "/favicon.ico":
            return _Reply(status=HTTPStatus.NO_CONTENT)
        return _Reply(status=HTTPStatus.NOT_FOUND, body=b"There is only one page here: /\n")

    def _is_own(self) -> bool:
        """Return whether the request names this machine; any port will do, since SSH forwards others."""
        hosts = self.headers.get_all("Host") or []
        with contextlib.suppress(ValueError):
            return len(hosts) == 1 and urlsplit(f"//{hosts[0]}").hostname in _OWN_NAMES
        return False

    def _send(self, reply: _Reply, *, with_body: bool) -> None:
        self.send_response(reply.status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if reply.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(reply.body)))
        if reply.is_packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if with_body:
            self.wfile.write(reply.body)
