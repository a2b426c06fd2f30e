"""The rating page in a browser: keyboard, reload, two raters, a phone, hostile answers, a server that is killed."""

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("krippendorff")
sync_api = pytest.importorskip("playwright.sync_api")

from harness.store import Store
from harness.store.ratings import read_ratings
from tests.projects import environment

AXE = importlib.util.find_spec("axe_playwright_python")
ROOT = Path(__file__).parents[3]


class Server:
    """The page's server as a process, on one port."""

    def __init__(self, store, count, *more):
        self.store, self.given = store, [str(count), *more]
        self.environment = {**environment(), "XDG_CACHE_HOME": str(store.parent / "cache")}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    def start(self):
        command = [sys.executable, "-m", "tests.rating_server", str(self.store), str(self.port), *self.given]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True)
        self.address = re.search(r"http\S+", self.process.stdout.readline())[0]

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    @property
    def ratings(self):
        return [one for rated in read_ratings(Store(self.store)) for one in rated.ratings]


@pytest.fixture
def serving(tmp_path):
    servers = []

    def serve(count=8, *more):
        servers.append(Server(tmp_path / "store", count, *more))
        return servers[-1]

    yield serve
    for one in servers:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture
def visit(chromium):
    """Opens the page as a person with a browser of their own."""
    contexts = []

    def visit(server, width=1280, scheme="light", **more):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **more)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on(
            "console", lambda said: page.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(server.address)
        return page

    yield visit
    for context in contexts:
        context.close()


def join(page, name):
    page.fill("#name", name)
    page.press("#name", "Enter")
    page.wait_for_selector("#pair:not([hidden])")


def rated(page, count):
    sync_api.expect(page.locator("#progress")).to_have_text(re.compile(f"^{count} of "))
    page.wait_for_selector("#choices button:enabled, #over:not([hidden])")


def test_a_rater_needs_only_the_keyboard(serving, visit):
    server = serving(8)
    page = visit(server)
    assert "token" not in page.url, "the address may be shown to others"
    assert page.evaluate("document.activeElement.id") == "name"
    page.keyboard.type("Anna")
    page.keyboard.press("Enter")
    rated(page, 0)
    for count, key in enumerate(["1", "ArrowRight", "3", "4", "ArrowLeft"], 1):
        page.keyboard.press(key)
        rated(page, count)
    page.keyboard.press("n")
    page.keyboard.type("1 is too long, b is not")  # no keys here but letters
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    rated(page, 6)
    page.keyboard.press("b")
    page.wait_for_selector("#choices button[aria-pressed=true][data-value=right]:enabled")
    assert page.input_value("#note") == "1 is too long, b is not"
    page.keyboard.press("3")
    sync_api.expect(page.locator("#choices button[aria-pressed=true]")).to_have_count(0)
    while page.is_hidden("#over"):
        done = int(page.inner_text("#progress").split()[0])
        page.wait_for_selector("#choices button:enabled")
        page.keyboard.press("1")
        rated(page, done + 1)
    assert len(server.ratings) == 9  # one is shown twice
    assert [one.value for one in server.ratings if one.note] == ["same"]
    assert page.complaints == []


def test_a_key_struck_twice_or_held_rates_once_and_keys_can_be_switched_off(serving, visit):
    server = serving(8)
    page = visit(server)
    join(page, "Anna")
    rated(page, 0)
    page.keyboard.press("1")
    page.keyboard.press("1")
    rated(page, 1)
    page.keyboard.down("2")
    for _ in range(5):
        page.keyboard.down("2")  # as a key that is held repeats
        page.wait_for_timeout(100)
    page.keyboard.up("2")
    rated(page, 2)
    page.uncheck("#keys")
    page.keyboard.press("1")
    page.wait_for_timeout(300)
    assert len(server.ratings) == 2


def test_a_note_that_is_being_written_is_there_after_a_reload_and_another_person_can_take_over(serving, visit):
    page = visit(serving(8))
    join(page, "Anna")
    page.fill("#note", "half a thou")
    page.reload()
    page.wait_for_selector("#pair:not([hidden])")
    assert page.input_value("#note") == "half a thou"
    assert page.inner_text("#who_name") == "Anna"
    page.click("#choices button[data-value=same]")
    rated(page, 1)
    assert page.input_value("#note") == "", "the next pair's"
    page.keyboard.press("b")
    page.wait_for_selector("#choices button[aria-pressed=true][data-value=same]")
    assert page.input_value("#note") == "half a thou", "kept with its rating"
    page.click("#other")
    page.wait_for_selector("#join:not([hidden])")
    assert page.input_value("#name") == ""


def test_reloaded_in_the_middle_it_goes_on(serving, visit):
    server = serving(8)
    page = visit(server)
    join(page, "Anna")
    page.click("#choices button[data-value=left]")
    rated(page, 1)
    shown = page.inner_text("#prompt")
    page.reload()
    rated(page, 1)
    assert page.inner_text("#prompt") == shown


def test_two_raters_at_once_and_a_name_is_one_persons(serving, visit):
    server = serving(8)
    anna, ben = visit(server), visit(server)
    join(anna, "Anna")
    ben.fill("#name", "anna")
    ben.press("#name", "Enter")
    ben.wait_for_selector("#problem:not([hidden])")
    assert "Anna has rated 0 here already. If that is you, on another browser, go on" in ben.inner_text("#problem")
    join(ben, "Ben")
    for count in (1, 2, 3):
        for page, value in ((anna, "left"), (ben, "right")):
            page.click(f"#choices button[data-value={value}]")
            rated(page, count)
    assert sorted(one.rater for one in server.ratings) == ["Anna"] * 3 + ["Ben"] * 3
    phone = visit(server)
    phone.fill("#name", "Ben")
    phone.press("#name", "Enter")
    phone.wait_for_selector("#same:not([hidden])")
    phone.check("#same_person")
    phone.click("#join button")
    rated(phone, 3)


def test_a_hostile_answer_does_not_run(serving, visit):
    server = serving(1)
    page = visit(server)
    join(page, "<b>Anna</b>")
    assert "<script>window.hacked" in page.inner_text("#prompt")
    assert page.inner_text(".answer .text").startswith("<img src=x")
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked") is None
    assert page.query_selector("#prompt *, .answer .text *") is None
    assert page.complaints == []


@pytest.mark.skipif(AXE is None, reason="axe-playwright-python, which brings axe-core, is not installed")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
@pytest.mark.parametrize("points", [(), ("5",)])
def test_it_breaks_no_rule_of_axe_and_fits_a_phone(serving, visit, width, scheme, points):
    server = serving(6, *points)
    page = visit(server, width, scheme, bypass_csp=True)

    def check():
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.evaluate((Path(AXE.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        told = [
            {"rule": rule["id"], "help": rule["help"], "where": [n["target"] for n in rule["nodes"]]} for rule in found
        ]
        assert not told, json.dumps(told, indent=1)

    check()
    join(page, "Anna")
    check()
    while page.is_hidden("#over"):
        done = int(page.inner_text("#progress").split()[0])
        page.click("#choices button >> nth=1")
        rated(page, done + 1)
    check()


def test_ratings_through_two_kills_are_none_lost_and_none_doubled(serving, visit):
    server = serving(12)
    pages = {name: visit(server) for name in ("Anna", "Ben", "Cleo")}
    said = {}
    for name, page in pages.items():
        join(page, name)
    for step in range(14):
        for name, page in pages.items():
            if page.is_visible("#over"):
                continue
            if step in (4, 9) and name == "Ben":
                server.kill()
            value = ("left", "right", "same", "bad")[(step + len(name)) % 4]
            said[name, step] = value
            page.click(f"#choices button[data-value={value}]")
            if server.process.poll() is not None:
                page.wait_for_selector("#problem:not([hidden])")
                server.start()  # the page, which is still open, says it again
            rated(page, step + 1)
    assert len(server.ratings) == len(said) == 3 * 14
    for name in pages:
        places = [one.place for one in server.ratings if one.rater == name]
        assert len(places) == len(set(places)) == 14
