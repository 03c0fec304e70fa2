"""The server of the page: only for this machine, only for known files, with the headers that WASM threads need."""

from __future__ import annotations

import errno
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tfaffect.demo.addresses import File
from tfaffect.errors import UsageError

HOST = "127.0.0.1"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",  # the second allows compiling WASM, but not `eval`
        "worker-src 'self'",
        "connect-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",  # pictures that the user chooses
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    # Both together give the page memory that its threads can share.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # the next start may serve another model at the same address
}
"""Headers of every response, also of errors."""


class Server(ThreadingHTTPServer):
    """Serves the known files, with one thread per request."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, File], port: int) -> None:
        self.files = files
        super().__init__((HOST, port), Handler)
        # Protection against DNS rebinding: a foreign page can point its own name here, but not send these hosts.
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print no error when a browser closes the connection early, for example after a reload."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD; an unknown address is not found."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tfaffect", ""
    timeout = 60  # seconds until an idle connection is closed
    server: Server

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        """Send the headers of a file."""
        self._answer(with_content=False)

    def _answer(self, with_content: bool) -> None:
        if self.headers.get("Host") not in self.server.hosts:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "This server answers to localhost only")
            return
        file = self.server.files.get(self.path.partition("?")[0])
        try:
            content = file.read() if file else None
        except OSError:
            content = None
        if file is None or content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", file.kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_content:
            self.wfile.write(content)

    def end_headers(self) -> None:
        """Add the common headers to every response, also to errors."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing: the terminal shows only the address of the page."""


def open_server(files: Mapping[str, File], port: int) -> Server:
    """Return a server at `port` of this machine, 0 for any free port. Raises UsageError when the port is in use."""
    if not 0 <= port < 2**16:
        raise UsageError(f"A port is a number from 0 to 65,535. Received: port={port}.")
    try:
        return Server(files, port)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UsageError(f"Port {port} cannot be used: {error.strerror}. Choose another with --port.") from error
