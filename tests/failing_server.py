"""A server on this machine that fails in the ways in which servers fail."""

import socket
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

# What the server does with a request; `handler.content` is the file.


def whole(handler):
    begin(handler, ("Content-Length", len(handler.content)))
    handler.wfile.write(handler.content)


def cut(handler):
    """Announce the whole file, and end the connection after 30,000 bytes."""
    begin(handler, ("Content-Length", len(handler.content)))
    handler.wfile.write(handler.content[:30_000])


def cut_chunk(handler):
    """Begin a chunk of 256 bytes without the length of the whole, and end the connection in its middle."""
    handler.protocol_version = "HTTP/1.1"
    begin(handler, ("Transfer-Encoding", "chunked"))
    handler.wfile.write(b"100\r\n" + handler.content[:100])


def other(handler):
    """Send a page where a file is expected, as the network of a hotel does."""
    begin(handler)
    handler.wfile.write(b"<html>Please log in</html>")


def slow(handler):
    """Send 49,152 bytes, three times what the client reads at once, and the rest later."""
    begin(handler, ("Content-Length", len(handler.content)))
    handler.wfile.write(handler.content[:49_152])
    time.sleep(0.4)
    handler.wfile.write(handler.content[49_152:])


def silent(handler):
    time.sleep(2.5)


def hang_up(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


def status(code):
    return lambda handler: handler.send_error(code)


def begin(handler, *headers):
    handler.send_response(200)
    for name, value in headers:
        handler.send_header(name, str(value))
    handler.end_headers()


@contextmanager
def serving(*answers, content):
    """Yield the address of a file, and the times of its requests. The last answer is also given to later requests."""
    times = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            times.append(time.monotonic())
            self.content = content
            answers[min(len(times), len(answers)) - 1](self)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/file", times
        finally:
            server.shutdown()
