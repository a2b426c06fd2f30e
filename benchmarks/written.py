"""`harness data generate`, killed again and again: what is asked twice, lost or doubled.

    python benchmarks/written.py [--kills 20] [--papers 400]

A server on loopback answers each request with a pair about its paper after 20 to 200 ms. The command, with all the
processes that it started, gets SIGKILL at random moments (seeded), and is run again until it ends by itself. Counted are
requests whose answer was on disk when a kill came and that were asked again all the same (paid twice), requests that were
under way at a kill and so had to be asked again (the server knows them by their Idempotency-Key), and rows lost or doubled.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse
import json
import os
import random
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ABSTRACT = (
    "{} is a method that estimates treatment effects of online experiments, and lowers the variance by {} percent."
)
GREEK = ["Alpha", "Beta", "Gamma", "Delta", "Zeta", "Theta", "Kappa", "Lambda", "Sigma", "Omega"]


class Server(ThreadingHTTPServer):
    """Writes one pair about each paper, and counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()  # by title
        self.answered, self.twice = set[str](), 0  # titles whose answers were on disk at a kill, asked again since
        self.counting = threading.Lock()
        self.draw = random.Random(1)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_POST(self) -> None:
        """Answer it after a while."""
        server = self.server
        assert isinstance(server, Server)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = re.search(r"Text: On (\w+)\s.*by (\d+) percent", body["messages"][-1]["content"], re.DOTALL)
        assert found is not None
        name, number = found.groups()
        with server.counting:
            server.asked[name] += 1
            server.twice += name in server.answered
            wait = server.draw.uniform(0.02, 0.2)
        time.sleep(wait)
        pair = {
            "question": f"By how much does {name} lower the variance of online experiments?",
            "answer": f"{name} lowers the variance of treatment effects by {number} percent.",
        }
        choice = {"message": {"content": json.dumps({"pairs": [pair]})}, "finish_reason": "stop"}
        sent = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 90, "completion_tokens": 40}}).encode()
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)
        except OSError:  # who asked was killed
            return

    def log_message(self, *_: object) -> None:
        """Nothing."""


def papers(count: int, folder: Path) -> Path:
    """A file of so many abstracts."""
    names = [f"{GREEK[i % 10]}{LETTERS[i // 10 % 26]}{LETTERS[i // 260]}" for i in range(count)]
    file = folder / "papers.jsonl"
    rows = [
        {"id": name, "title": f"On {name}", "abstract": ABSTRACT.format(name, i + 10)} for i, name in enumerate(names)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def kept(folder: Path) -> set[str]:
    """Ids of the papers whose whole answer is on disk."""
    files = list(folder.glob("*.got.jsonl"))
    whole = [line for file in files for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return {json.loads(line)["id"].split()[0] for line in whole}


def main() -> None:
    """Kill, count, compare; exit status 1 where something was paid twice, lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--papers", type=int, default=400)
    asked = parser.parse_args()
    server, draw = Server(), random.Random(0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, output = papers(asked.papers, folder), folder / "rows.jsonl"
        url = f"http://127.0.0.1:{server.server_port}/v1"
        given = ["--endpoint", url, "--model", "m", "--at-once", "4", "--items"]
        command = [sys.executable, "-m", "harness", "data", "generate", str(file), "--output", str(output), *given]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        kills = 0
        while True:
            running = subprocess.Popen(
                [*command, str(asked.papers)], cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE
            )  # fmt: skip
            try:
                running.wait(draw.uniform(1.0, 2.5) if kills < asked.kills else None)
                break
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)
                running.wait()
                time.sleep(0.3)  # its worker ends with it
                server.answered = kept(Path(f"{output}.answers"))
                kills += 1
        rows = [json.loads(line)["source_id"] for line in output.read_text().splitlines()]
        again = sum(server.asked.values()) - len(server.asked)
    lost, doubled = asked.papers - len(set(rows)), len(rows) - len(set(rows))
    print(
        f"{asked.papers} requests, {kills} kills: {server.twice} answered ones asked again, {again - server.twice} that were under way asked "
        f"again ({again / max(kills, 1):.1f} a kill, at most 4), {lost} rows lost, {doubled} doubled"
    )
    raise SystemExit(server.twice > 0 or again > 4 * kills or lost > 0 or doubled > 0 or running.returncode)


if __name__ == "__main__":
    main()
