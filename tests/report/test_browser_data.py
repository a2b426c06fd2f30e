"""A large run's report: every sample in one small file, and what is left out of a still larger one."""

import json

import pytest

from harness.report.browser_data import browsable
from harness.report.load import load
from harness.report.page import write_html
from harness.scoring import document_likelihood
from harness.suite import Sample
from tests.report_rows import build_large_warehouse, build_warehouse, insert_evaluation, texts_of, unpacked


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    with build_large_warehouse(tmp_path_factory.mktemp("results") / "results.duckdb") as connection:
        assert connection.execute("SELECT count(*) FROM samples").fetchone() == (20_000,)
        return load(connection)


@pytest.fixture(scope="module")
def page(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_html(content, path)
    return path


def test_twenty_thousand_samples_of_ten_recipes_fit_three_megabytes(page):
    assert page.stat().st_size <= 3_000_000


def test_the_page_holds_all_of_them_whole(page, chromium):
    opened = chromium.new_page()
    opened.goto(page.as_uri())
    opened.wait_for_selector("#samples:not([aria-busy])")
    held = opened.evaluate(
        """async () => {
          const { suites, texts, cut } = await readSamples();
          const answers = suites.flatMap((suite) => Object.values(suite.answers).flat());
          const words = answers.map((place) => texts.get(place).split(" ").length);
          return [answers.length, Math.min(...words), Math.max(...words), Object.keys(cut).length, suites.length];
        }"""
    )
    opened.close()
    assert held == [20_000, 60, 100, 0, 9]


def test_of_two_likelihoods_the_lower_wins_and_of_two_lengths_neither(tmp_path):
    """A sample's scores have names of their own: `bits` where the suite's metric is `bits_per_byte`."""
    scores = document_likelihood(Sample(id="t"), {"nll": 8.0, "tokens": 4, "words": 3, "bytes": 12})
    with build_warehouse(tmp_path / "results.duckdb") as connection:
        insert_evaluation(connection, "wiki_only-mini", "retention", {}, [{"id": "t", "scores": scores}])
        held = browsable(load(connection), 300_000)
    suite = next(one for one in json.loads(unpacked(held.head))["suites"] if one["name"] == "retention")
    assert dict(zip(suite["metrics"], suite["lower"], strict=True)) == {
        "bits": True, "nll": True, "bytes": None, "tokens": None, "words": None
    }  # fmt: skip
    assert suite["metrics"][0] == "bits"  # what the browser opens with


def test_of_a_score_of_ones_own_the_better_one_wins_as_its_suite_says(tmp_path):
    with build_warehouse(tmp_path / "results.duckdb") as connection:
        samples = [{"id": "t", "scores": {"typos": 3.0, "words": 8.0, "points": 2.0}}]
        insert_evaluation(connection, "wiki_only-mini", "quiz", {}, samples)
        connection.execute("""UPDATE runs SET better = '{"quiz": {"typos": "lower", "words": "higher"}}'""")
        held = browsable(load(connection), 300_000)
    suite = next(one for one in json.loads(unpacked(held.head))["suites"] if one["name"] == "quiz")
    told = dict(zip(suite["metrics"], suite["lower"], strict=True))
    assert told == {"typos": True, "words": False, "points": False}


def test_what_does_not_fit_is_shortened_then_drawn_the_same_for_every_subject(content):
    held = browsable(content, 300_000)
    assert held.size <= 300_000
    assert max(map(len, texts_of(held))) <= 300
    for suite in json.loads(unpacked(held.head))["suites"]:
        count = len(suite["ids"])
        assert 0 < count <= min(suite["total"], 100)
        assert all(len(answers) == count and -2 not in answers for answers in suite["answers"].values())
