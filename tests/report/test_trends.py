"""History, cost and the claims against a baseline: the numbers, and where they stand in the three forms."""

import pytest

from harness.report.browser_data import browsable
from harness.report.cost import cost_table, costs, pareto_line, paretos, spared, spared_line
from harness.report.history import histories
from harness.report.load import load
from harness.report.markdown import MOST_CHARACTERS, summary_markdown
from tests.report.forms import html_of, terminal_of
from tests.report_rows import (
    PAST,
    RUN,
    build_long_warehouse,
    build_warehouse,
    fingerprint,
    insert,
    insert_evaluation,
    insert_run,
    insert_subject,
)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    with build_long_warehouse(tmp_path_factory.mktemp("results") / "results.duckdb") as connection:
        return load(connection)


@pytest.fixture(scope="module")
def page(content, tmp_path_factory):
    return html_of(content, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def comment(content):
    return summary_markdown(content)


# ---- history ------------------------------------------------------------------------------------------


def test_history_holds_every_run_and_what_each_subject_scored_in_it(content):
    [tone] = histories(content)
    assert (tone.suite, tone.metric) == ("tone", "conversational")
    assert [run.run_id for run in tone.runs] == [*PAST, RUN]
    assert [run.commit for run in tone.runs] == ["1111111", "2222222+", "3333333", "0123456+"]
    scored = {place: score.estimate for place, score in tone.series["wiki_only-mini"].items()}
    assert scored == pytest.approx({0: 0.57, 1: 0.42, 2: 0.42, 3: 0.31})
    assert list(tone.series["base-mini"]) == [3]


def test_runs_in_which_nothing_was_new_are_left_out_of_the_history(warehouse):
    for day in range(1, 6):
        run_id = f"2026010{day}T0"
        insert_run(warehouse, run_id, started_at=f"2026-01-0{day}", commit_id="a" * 40)
        insert_subject(warehouse, "a-mini", run_id)
        key = "old" if day < 4 else "new"
        if day in (1, 4):
            insert_evaluation(warehouse, "a-mini", "tone", {"acc": (0.5, 0.4, 0.6)}, [], evaluation=key, runs=[run_id])
        else:
            insert(warehouse, "measured", run_id=run_id, subject="a-mini", suite="tone", evaluation=key)
    assert [run.run_id for run in histories(load(warehouse))[0].runs] == ["20260101T0", "20260104T0"]
    assert histories(load(warehouse, "20260103T0")) == []


def test_suites_in_which_nothing_was_measured_anew_are_told_in_one_sentence(warehouse, tmp_path):
    for run_id, commit in (("20260101T0", "a" * 40), ("20260102T0", "b" * 40)):
        insert_run(warehouse, run_id, commit_id=commit)
        insert_subject(warehouse, "a-mini", run_id)
    for suite in ("quiz", "tone"):
        insert_evaluation(warehouse, "a-mini", suite, {"acc": (0.5, 0.4, 0.6)}, [], runs=["20260101T0", "20260102T0"])
    line = "No subject was measured anew, so that every score stayed as it was, in quiz and tone."
    content = load(warehouse)
    assert line in html_of(content, tmp_path)
    assert line in summary_markdown(content)
    assert "scores, by commit" not in summary_markdown(content)


def test_history_stands_in_page_and_comment(page, comment):
    assert 'id="history"' in page
    assert "2222222+</text>" in page
    assert (
        "| tone | conversational | `wiki_only-mini` | 0.570 (1111111) → 0.420 (2222222+) → 0.420 (3333333) → "
        "0.310 (0123456+) |" in comment
    )


# ---- cost ---------------------------------------------------------------------------------------------


def test_cost_is_summed_over_lineage_and_suites(content):
    cost = {one.subject: one for one in costs(content)}["wiki_only-mini"]
    assert cost.train_seconds == 31.5 + 12.25
    assert cost.train_tokens == 524_288 + 61_440
    assert cost.tokens_per_second == pytest.approx(585_728 / 43.75)
    assert cost.train_memory_bytes == 812 * 2**20
    assert cost.train_joules == 4100 + 2000
    assert cost.test_samples == 45 + 60 + 20 + 20 + 0 + 1
    assert cost.test_joules == 6 * 80.5


def test_a_sum_of_which_a_part_is_unknown_is_not_told(warehouse, tmp_path):
    insert_run(warehouse)
    insert_subject(warehouse, "a-mini")
    stage = {"optimizer_steps": 10, "train_seconds": 5.0}
    insert(warehouse, "checkpoints", fingerprint="parent", stage="pretrain", **stage)
    insert(warehouse, "checkpoints", fingerprint=fingerprint("a-mini"), parent="parent", energy_joules=7200.0, **stage)
    [cost] = costs(load(warehouse))
    assert (cost.train_seconds, cost.train_joules) == (10.0, None)
    assert cost_table(load(warehouse)) == (["training", "samples"], [["a-mini", "10 s", "0"]])


def test_samples_spared_are_counted(content, page, comment):
    [row] = spared(content)
    assert (row.subject, row.suite, row.samples, row.available) == ("with_kilt-mini", "tone", 45, 500)
    asked = sum(e.samples_available for e in content.evaluations)
    line = f"Early verdicts ended 1 evaluation and spared 455 of {asked:,} samples."
    assert spared_line(content) == line
    assert line in page
    assert "tone, with_kilt-mini: stopped after 45 of 500 samples" in page
    assert line in comment
    assert line in terminal_of(content)


def test_cost_stands_in_all_three(page, comment, content):
    assert 'id="cost"' in page
    assert "| `wiki_only-mini` | 44 s | 585,728 | 13,388 | 812 MiB | 1.694 Wh |" in comment
    assert "1.694 Wh" in terminal_of(content)
    assert max(map(len, terminal_of(content, 40).splitlines())) <= 40


def test_only_subjects_that_none_beats_in_both_are_best(warehouse):
    insert_run(warehouse)
    measured = {"cheap": (10, 0.5), "better": (20, 0.3), "worse": (30, 0.4), "twin": (20, 0.3), "best": (40, 0.2)}
    for name, (seconds, score) in measured.items():
        insert_subject(warehouse, f"{name}-mini")
        insert(
            warehouse, "checkpoints", fingerprint=fingerprint(f"{name}-mini"), optimizer_steps=1, train_seconds=seconds
        )
        insert_evaluation(warehouse, f"{name}-mini", "tone", {"conversational": (score, None, None)}, [])
        insert_evaluation(warehouse, f"{name}-mini", "stability", {"finite": (1.0, None, None)}, [])
    [pareto] = paretos(load(warehouse))
    assert [point.subject for point in pareto.points if point.best] == [
        "cheap-mini", "better-mini", "twin-mini", "best-mini",
    ]  # fmt: skip
    assert pareto_line(pareto) == (
        "On tone (conversational, lower is better) cheap-mini (0.500, 10 s), better-mini (0.300, 20 s), "
        "twin-mini (0.300, 20 s) and best-mini (0.200, 40 s) are unbeaten: every other subject scores no better than "
        "one that trained no longer."
    )


def test_quality_against_cost_stands_in_page_and_comment(content, page, comment):
    assert [pareto.suite for pareto in paretos(content)] == ["tone"]
    line = pareto_line(paretos(content)[0])
    assert "staged-mini (0.280, 87 s)" in line
    assert line in page
    assert f"- {line}" in comment


def test_a_checkpoint_says_why_it_was_trained(page):
    assert "Why it was trained: learning_rate: 0.0003 in the nearest, 81d0447e; 0.0002 here" in page


# ---- baselines and the comment's length ---------------------------------------------------------------


def test_a_regression_check_names_its_baseline_and_where_that_comes_from(page, comment):
    assert '<span class="kind">regression check</span>' in page
    assert "baseline main: set 18 February 2026, commit 2222222bbb" in page
    assert ">wiki_only-mini − baseline main</text>" in page
    assert "no more conversational than baseline main (regression check)" in comment
    assert "against being worse by the margin" in page


def test_a_baseline_set_after_the_run_is_not_what_the_run_compared_with(tmp_path):
    with build_long_warehouse(tmp_path / "results.duckdb") as connection:
        connection.execute("UPDATE baselines SET set_at = '2026-03-02'")
        assert load(connection).baselines == ()


def test_the_loudest_samples_lead_to_the_browser_where_it_holds_them(content, page):
    link = (
        "#samples?suite=tone&amp;candidate=wiki_only-mini&amp;baseline=wiki_only-mini+at+baseline+main"
        '&amp;metric=conversational&amp;search=tone-39">tone-39</a> (0.100 : 0.890)'
    )
    assert link in page
    assert 'search=tone-07">tone-07</a> (0.100 : 0.900), tone-99 (0.200 : 0.800)' in page
    held = browsable(content, 3_000_000)
    [gate] = [gate for gate in content.gates if gate.kind == "regression"]
    assert held.shows(gate, "tone-39")
    assert not held.shows(gate, "tone-99")


def test_samples_that_a_message_names_lead_to_the_browser_from_there(tmp_path):
    with build_long_warehouse(tmp_path / "results.duckdb") as connection:
        connection.execute("UPDATE gates SET message = 'Loudest: tone-39, <b>tone-38</b>.' WHERE kind = 'regression'")
        page = html_of(load(connection), tmp_path)
    assert 'search=tone-39">tone-39</a>, &lt;b&gt;<a href="#samples?suite=tone' in page
    assert "tone-39</a> (0.100 : 0.890)" not in page


def test_rows_without_a_kind_are_claims_like_any_other(tmp_path):
    with build_warehouse(tmp_path / "results.duckdb") as connection:
        content = load(connection)
    assert {gate.kind for gate in content.gates} == {None}
    assert {gate.loudest for gate in content.gates} == {()}
    page = html_of(content, tmp_path)
    assert 'class="kind"' not in page
    assert "Samples that speak most" not in page
    assert 'id="history"' not in page


def test_a_comment_too_long_for_github_leaves_out_whole_sections_and_says_so(tmp_path):
    with build_long_warehouse(tmp_path / "results.duckdb") as connection:
        for i in range(300):
            insert(
                connection, "gates", run_id=RUN, gate=f"gate {i}", subject="wiki_only-mini", suite="tone",
                metric="conversational", claim=f"claim {i} " + "as good as ever " * 8, verdict="pass",
            )  # fmt: skip
        comment = summary_markdown(load(connection))
    assert len(comment) <= MOST_CHARACTERS
    assert "Left out here for length: A first look" in comment
    assert "claim 299" in comment
