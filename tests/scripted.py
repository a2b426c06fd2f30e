"""A server with OpenAI's interface on loopback that answers as a test says; it counts what it was asked."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace


def said(text, reason="stop"):
    """The body of an ordinary answer, of 10 tokens to a prompt of 100."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
    return {"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}


def wants_json(body):
    return "response_format" in body


def asked_about(body):
    """The last turn's text."""
    return body["messages"][-1]["content"]


@contextmanager
def scripted(reply):
    """The server's `url` and the bodies `asked` of it. `reply(body)` gives a status and an answer: JSON, or a text."""
    asked, keys = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            keys.append(self.headers["Idempotency-Key"])
            status, answer = reply(body)
            sent = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if isinstance(answer, str) else "application/json")
            self.send_header("Content-Length", str(len(sent)))
            if status == 429:
                self.send_header("Retry-After-Ms", "1")
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/v1", asked=asked, keys=keys)
    finally:
        server.shutdown()
        server.server_close()
