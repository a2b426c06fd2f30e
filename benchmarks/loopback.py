"""An S3 server on loopback, and a proxy before it that loses, delays, cuts and refuses what it is told to."""

from __future__ import annotations

import http.client
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULTS = ("drop", "drop after", "delay", "truncate", "500", "503")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
CODES = {"500": "InternalError", "503": "SlowDown"}


@contextmanager
def s3_server() -> Iterator[str]:
    """moto's server; its address."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it reports every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def new_bucket(server: str) -> str:
    """The URL of a store in a new bucket."""
    name = f"team-{random.SystemRandom().randrange(2**40)}"
    connection = http.client.HTTPConnection(server.removeprefix("http://"))
    connection.request("PUT", f"/{name}")
    assert connection.getresponse().status == 200
    return f"s3://{name}/runs"


@dataclass
class Proxy:
    """A proxy that stands before a server while it is entered."""

    server: str
    share: float = 0.0  # of requests that meet a fault
    seed: int = 0
    delay: float = 0.5  # seconds
    faults: tuple[str, ...] = FAULTS
    refuses: dict[str, tuple[int, str]] = field(default_factory=dict)  # method -> status, S3's code of the error
    injected: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Proxy:
        proxy, self.random, self.lock = self, random.Random(self.seed), threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy.answer(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

            def log_message(self, *arguments: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.http.server_port}"
        return self

    def __exit__(self, *error: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def fault(self) -> str | None:
        with self.lock:
            found = self.random.choice(self.faults) if self.random.random() < self.share else None
            if found:
                self.injected[found] += 1
            return found

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests[request.command] += 1
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if "chunked" in request.headers.get("Transfer-Encoding", ""):
            raise AssertionError("a chunked upload")
        if request.command in self.refuses:
            return _refuse(request, *self.refuses[request.command])
        fault = self.fault()
        if fault == "drop":
            return _cut(request)
        if fault in CODES:
            return _refuse(request, int(fault), CODES[fault])
        if fault == "delay":
            time.sleep(self.delay)
        status, headers, answer = self.forward(request, body)
        if fault == "drop after":
            return _cut(request)
        request.send_response(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                request.send_header(name, value)
        length = {name.lower(): value for name, value in headers}.get("content-length", str(len(answer)))
        request.send_header("Content-Length", length if request.command == "HEAD" else str(len(answer)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(answer[: len(answer) // 2] if fault == "truncate" else answer)
        if fault == "truncate":
            _cut(request)

    def forward(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.server.removeprefix("http://"))
        headers = {name: value for name, value in request.headers.items() if name.lower() != "connection"}
        connection.request(request.command, request.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()


def _cut(request: BaseHTTPRequestHandler) -> None:
    request.wfile.flush()
    request.close_connection = True
    request.connection.shutdown(2)


def _refuse(request: BaseHTTPRequestHandler, status: int, code: str) -> None:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>In other words.</Message></Error>".encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/xml")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
