"""A server with OpenAI's interface, and vLLM's `/tokenize`, over a model of this harness: for tests of what asks one."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch

from harness.models.loading.template import applied


class ModelServer(ThreadingHTTPServer):
    """Answers from `engine`; `faults` are statuses to answer with first, `without` are paths it does not know,
    `unknown` parameters."""

    def __init__(self, engine, without=(), key=None, unknown=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.engine, self.without, self.key, self.unknown = engine, without, key, unknown
        self.faults: list[tuple[int, dict[str, str], str]] = []
        self.asked: list[tuple[str, dict]] = []  # path and body of each request
        self.alone = threading.Lock()  # the model computes one request at a time

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def chat(self, body):
        ids = self.engine.prompt_ids(body["messages"])
        limit = body.get("max_tokens", body.get("max_completion_tokens"))
        [made] = self.engine.generate(["q"], [ids], limit, body["temperature"], body.get("seed", 0))
        reason = {"end": "stop", "length": "length"}[made["finish_reason"]]
        return {
            "choices": [{"message": {"role": "assistant", "content": made["completion"]}, "finish_reason": reason}],
            "usage": {"prompt_tokens": len(ids), "completion_tokens": made["completion_tokens"]},
        }

    def tokenize(self, body):
        how = {name: body[name] for name in ("add_generation_prompt", "continue_final_message") if name in body}
        text = applied(body["messages"], self.engine.tokenizer, tokenize=False, **how)
        return {"tokens": self.engine.tokenizer(text, add_special_tokens=False)["input_ids"]}

    def complete(self, body):
        """`echo`: the log-probability of each of the prompt's tokens, none of the first, and one new token's."""
        ids = torch.tensor([body["prompt"]])
        with torch.inference_mode():
            spread = self.engine.model(ids).logits.float().log_softmax(-1)[0]
        values = [None, *spread[:-1].gather(1, ids[0, 1:, None])[:, 0].tolist(), spread[-1].max().item()]
        return {"choices": [{"text": "", "logprobs": {"token_logprobs": values}}]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        server: ModelServer = self.server  # type: ignore[assignment]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.alone:
            server.asked.append((self.path, body))
            if server.key is not None and self.headers.get("Authorization") != f"Bearer {server.key}":
                return self.say(401, {}, '{"error": "no such key"}')
            if server.faults:
                return self.say(*server.faults.pop(0))
            refused = [name for name in server.unknown if name in body]
            if refused:
                return self.say(400, {}, f"Unsupported parameter: {refused[0]!r}. Use 'max_completion_tokens' instead.")
            kinds = {
                "/v1/chat/completions": server.chat, "/tokenize": server.tokenize, "/v1/completions": server.complete,
            }  # fmt: skip
            if self.path in server.without or self.path not in kinds:
                return self.say(404, {}, '{"detail": "Not Found"}')
            return self.say(200, {}, json.dumps(kinds[self.path](body)))

    def say(self, status, headers, text):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        """Nothing on the terminal."""


@contextmanager
def serving(engine, **how):
    """The server, while it runs."""
    with ModelServer(engine, **how) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
