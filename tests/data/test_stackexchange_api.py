"""Rows by the Stack Exchange API, against a server on loopback: paging, its pauses and quota, failures, going on."""

import json
from types import SimpleNamespace

import pytest

from harness.data.building import pages as module
from harness.data.building.api import KEY, Api
from harness.data.building.pages import Pages
from harness.data.building.stackexchange import Wanted, build
from harness.errors import DataError
from tests.stackexchange_server import Site, answer, question, serving

pytest.importorskip("markdownify")
pytest.importorskip("requests")


class Clock:
    """A clock that moves when somebody sleeps, so that pauses take no time."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        stub = SimpleNamespace(sleep=self.sleep, monotonic=lambda: self.now, time=lambda: 0.0)
        monkeypatch.setattr(module, "time", stub)

    def sleep(self, seconds):
        self.now += seconds

    @property
    def waited(self):
        return self.now - 1000.0


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    return Clock(monkeypatch)


QUESTIONS = [question(own, score=20 - own, tags=("anova",) if own % 2 else ("anova", "r")) for own in range(1, 8)]
ANSWERS = [answer(100 + own, own) for own in range(1, 8)] + [answer(203, 3, score=9)]


def built(tmp_path, site, url, said=None, **wanted):
    """The rows of a run, which leaves its pages only where it is cut off."""
    asked = Wanted(**wanted)
    api = Api(
        site,
        asked.tags,
        asked.min_score,
        asked.rows,
        Pages(tmp_path / "pages"),
        url,
        (said if said is not None else []).append,
    )
    build(api, tmp_path / "rows.jsonl", site, asked)
    api.pages.forget()
    return [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]


STATS = "stats.stackexchange.com"


def test_all_pages_are_read_and_each_question_has_its_best_answer(tmp_path, clock):
    with serving(Site(QUESTIONS, ANSWERS)) as url:
        rows = built(tmp_path, STATS, url, tags=("anova",))
    assert {row["id"]: row["answer"] for row in rows} == {
        f"stats-{own}": f"By answer {203 if own == 3 else 100 + own}." for own in range(1, 8)
    }
    assert rows[0]["question"] == "Is 1 < 9?\n\nBody 1"
    assert rows[0]["question_author"] == "Ann & Co (https://stats.stackexchange.com/users/7)"
    assert rows[0]["answer_author"] == "an author who is not named"
    assert not (tmp_path / "pages").exists()


def test_a_question_of_two_tags_is_one_row(tmp_path, clock):
    with serving(Site(QUESTIONS, ANSWERS)) as url:
        assert len(built(tmp_path, STATS, url, tags=("anova", "r"))) == 7


def test_scores_and_the_number_of_rows_keep_the_requests_few(tmp_path, clock):
    site = Site(QUESTIONS, ANSWERS)
    with serving(site) as url:
        assert [row["id"] for row in built(tmp_path, STATS, url, tags=("anova",), min_score=14, rows=3)] == [
            "stats-1", "stats-2", "stats-3",
        ]  # fmt: skip
    assert len(site.asked) == 5  # two pages of questions, and of the answers to them one and two pages


def test_it_waits_as_long_as_the_api_asks_before_the_same_method_is_called_again(tmp_path, clock):
    site = Site(QUESTIONS, ANSWERS)
    site.backoff = {"questions": 10}
    with serving(site) as url:
        built(tmp_path, STATS, url)
    assert clock.waited == pytest.approx(30.0)  # between four pages of questions; the answers wait for nothing


@pytest.mark.parametrize("failing", ["502", "cut", "prose", {"items": [{}]}, {"items": ["x"]}, {"items": [], "backoff": "soon"}, {"items": [{"question_id": "x"}]}, {"error_id": 503, "error_name": "temporarily_unavailable",  "error_message": "x"}])  # fmt: skip
def test_what_fails_is_asked_again_after_a_pause(tmp_path, clock, failing):
    site = Site(QUESTIONS, ANSWERS)
    site.failing = [None, failing, failing]
    with serving(site) as url:
        assert len(built(tmp_path, STATS, url)) == 7
    assert clock.waited == pytest.approx(3.0)


def test_a_short_ban_is_waited_for_and_a_long_one_ends_the_run_which_goes_on_later(tmp_path, clock):
    def ban(seconds):
        return {"error_id": 502, "error_name": "throttle_violation", "error_message": f"too many requests from this IP, more requests available in {seconds} seconds"}  # fmt: skip

    site = Site(QUESTIONS, ANSWERS)
    site.failing = [ban(40), None, None, None, ban(40_000)]
    with serving(site) as url:
        with pytest.raises(DataError, match="asks for 40,000 seconds without a request") as raised:
            built(tmp_path, STATS, url)
        assert "goes on where it was" in raised.value.remedy
        assert clock.waited >= 40.0
        before = list(site.asked)
        assert not (tmp_path / "rows.jsonl").exists()
        assert len(built(tmp_path, STATS, url)) == 7
    again = [path for path in site.asked[len(before) :] if path in before[:-1]]
    assert again == [], "what was fetched is not asked for again"


def test_pages_of_a_run_that_was_cut_off_long_ago_are_asked_for_anew(tmp_path, clock, monkeypatch):
    site = Site(QUESTIONS, ANSWERS)
    site.failing = [None, None, {"error_id": 400, "error_name": "bad_parameter", "error_message": "ids"}]
    with serving(site) as url:
        with pytest.raises(DataError, match="bad_parameter: ids"):
            built(tmp_path, STATS, url)
        monkeypatch.setattr(module.time, "time", lambda: 1e12)
        first = site.asked[0]
        built(tmp_path, STATS, url)
    assert site.asked.count(first) == 2


@pytest.mark.parametrize(
    ("site", "url", "said"),
    [
        ("no.such.site", None, "bad_parameter: No site found for name `no.such.site`"),
        (STATS, "http://127.0.0.1:9/2.3", r"no answer after 6 attempts \(ConnectionError\)"),
    ],
)
def test_a_site_that_does_not_exist_and_an_api_that_does_not_answer(tmp_path, clock, site, url, said):
    with serving(Site(QUESTIONS, ANSWERS)) as served, pytest.raises(DataError, match=said):
        built(tmp_path, site, url or served)


def test_the_key_goes_with_each_request_and_into_no_file(tmp_path, clock, monkeypatch):
    monkeypatch.setenv(KEY, "planted-key")
    site, said = Site(QUESTIONS, ANSWERS), []
    site.quota = 22
    site.failing = [None, None, {"error_id": 400, "error_name": "bad_parameter", "error_message": "ids"}]
    with serving(site) as url:
        with pytest.raises(DataError) as raised:
            built(tmp_path, STATS, url, said)
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        built(tmp_path, STATS, url, said)
    assert all("key=planted-key" in path for path in site.asked)
    assert b"planted-key" not in kept + (tmp_path / "rows.jsonl").read_bytes() + raised.value.message.encode()
    assert f"{STATS}: 18 requests of today's quota are left" in said
