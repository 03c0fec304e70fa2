"""The server of the page: this machine only, known files only, and the headers that WASM threads need."""

from __future__ import annotations

import errno
import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tfaffect.demo.addresses import File
from tfaffect.errors import UsageError

HOST = "127.0.0.1"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",  # the second lets WASM be compiled, not text be run
        "worker-src 'self'",
        "connect-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",  # a picture that somebody chose
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    # Both together give the page memory that threads share.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # another model may be served at the same address tomorrow
}
"""What stands above every answer, refusals too."""


class Server(ThreadingHTTPServer):
    """Answers requests for the files it knows, in one thread each."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, File], port: int) -> None:
        self.files = files
        super().__init__((HOST, port), Handler)
        # A page elsewhere can have its own name lead here; it cannot have its browser call this server by these.
        self.names = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about a browser that went away before it had everything, as one does that loads again."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD; everything that is not an address of the server's files is not found."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tfaffect", ""
    timeout = 60  # seconds that a silent connection may last
    server: Server

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        """Send what stands above a file."""
        self._answer(with_content=False)

    def _answer(self, with_content: bool) -> None:
        if self.headers.get("Host") not in self.server.names:
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
        """Close what stands above an answer, whichever it is."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep quiet: the terminal shows the one line that says where the page is."""


def open_server(files: Mapping[str, File], port: int) -> Server:
    """Return a server at `port` of this machine, any free one for 0. Raises UsageError when the port is taken."""
    if not 0 <= port < 2**16:
        raise UsageError(f"A port is a number from 0 to 65,535. Received: port={port}.")
    try:
        return Server(files, port)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UsageError(f"Port {port} cannot be had: {error.strerror}. Name another with --port.") from error
