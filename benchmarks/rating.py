"""Three people rate through the page in a browser, and its server is killed: is any rating lost, or there twice?

    python benchmarks/rating.py [--prompts 91] [--kills 2]

Three browser contexts (chromium, by Playwright) rate all they are shown, in turn. At random moments the server gets SIGKILL
while a rating is on its way, and is started again; the page, which stays open, says it again. Then the ratings in the
store are compared with what was clicked.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not this folder, whose statistics.py is not Python's own

import argparse
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter

from harness.serving.rating.run import Rateable, serve
from harness.serving.rating.showings import Item
from harness.store import Store
from harness.store.ratings import Comparison, read_ratings

RATERS = ("Anna", "Ben", "Cleo")
CHOICES = ("left", "right", "same", "bad")


def rateable(count: int) -> Rateable:
    """So many invented pairs."""
    items = [Item(f"s{i}", f"Question {i}?", (f"One answer to {i}.", f"Another to {i}.")) for i in range(count)]
    return Rateable(Comparison("tone", ("a-mini", "b-mini"), ("answers-a", "answers-b")), items, {})


class Server:
    """The page's server as a process."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.given = ["--serve", str(folder / "store"), str(self.port), str(count)]
        self.start()

    def start(self) -> None:
        """Until it listens."""
        environment = {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache"), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, __file__, *self.given]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        found = re.search(r"http\S+", self.process.stdout.readline())
        assert found is not None
        self.address = found[0]

    def kill(self) -> None:
        """As when its machine's power fails."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def rate_all(server: Server, kills: int, draw: random.Random) -> Counter[tuple[str, str]]:
    """(rater, prompt) -> how often it was clicked."""
    from playwright.sync_api import expect, sync_playwright

    clicked: Counter[tuple[str, str]] = Counter()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        pages = {name: browser.new_context().new_page() for name in RATERS}
        for name, page in pages.items():
            page.goto(server.address)
            page.fill("#name", name)
            page.press("#name", "Enter")
            page.wait_for_selector("#pair:not([hidden])")
        total = int(page.inner_text("#progress").split()[-1])
        moments = sorted(draw.sample(range(total * len(RATERS)), kills))
        for step in range(total * len(RATERS)):
            name, done = RATERS[step % len(RATERS)], step // len(RATERS)
            page = pages[name]
            clicked[name, page.inner_text("#prompt")] += 1
            page.click(f"#choices button[data-value={draw.choice(CHOICES)}]", no_wait_after=True)
            if step in moments:
                time.sleep(draw.uniform(0, 0.02))
                server.kill()
                time.sleep(0.3)
                server.start()
            expect(page.locator("#progress")).to_have_text(f"{done + 1} of {total}", timeout=30_000)
        browser.close()
    return clicked


def main() -> None:
    """Exit status 1 where a rating is lost, or there twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=91)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--serve", nargs=3, metavar=("STORE", "PORT", "COUNT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        store, port, count = asked.serve
        return serve(Store(Path(store)), rateable(int(count)), int(port))
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name), asked.prompts)
        clicked = rate_all(server, asked.kills, random.Random(0))
        server.kill()
        ratings = [one for rated in read_ratings(Store(Path(name) / "store")) for one in rated.ratings]
        lines = sum(len(path.read_text().splitlines()) - 1 for path in (Path(name) / "store").rglob("ratings/*.jsonl"))
    kept = Counter((one.rater, f"Question {one.sample_id[1:]}?") for one in ratings)
    lost, doubled = (clicked - kept).total(), lines - clicked.total() + (clicked - kept).total()
    print(f"{clicked.total()} ratings by {len(RATERS)} raters, {asked.kills} kills: {lost} lost, {doubled} there twice")
    raise SystemExit(lost > 0 or doubled > 0)


if __name__ == "__main__":
    main()
