"""What a report is about: one run or stored runs of a window, which entry of each subject, and what it says of itself."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from harness.errors import WarehouseError
from harness.report.load import load
from harness.report.markdown import summary_markdown
from harness.warehouse import combined, connect
from tests.report.forms import html_of, terminal_of
from tests.report_rows import (
    PAST,
    RUN,
    build_long_warehouse,
    fingerprint,
    insert,
    insert_evaluation,
    insert_run,
    insert_subject,
)

# ---- one run ------------------------------------------------------------------------------------------


def test_a_results_file_without_runs_is_an_error(warehouse):
    with pytest.raises(WarehouseError, match="hold no run"):
        load(warehouse)


def test_an_unknown_run_is_an_error_that_names_the_newest(warehouse):
    insert_run(warehouse, "20260301T0")
    with pytest.raises(WarehouseError, match="no run 2025(?s:.*)newest: 20260301T0"):
        load(warehouse, "2025")


def test_the_latest_run_is_reported_unless_another_is_named(warehouse):
    insert_run(warehouse, "20260301T0", command="first")
    insert_run(warehouse, "20260302T0", command="second")
    assert load(warehouse).run.command == "second"
    assert load(warehouse, "20260301T0").run.command == "first"


def test_the_evaluation_that_the_run_used_is_shown_and_no_newer_one(warehouse):
    insert_run(warehouse)
    insert_subject(warehouse, "a-mini")
    insert_evaluation(warehouse, "a-mini", "tone", {"acc": (0.5, None, None)}, [])
    insert_evaluation(
        warehouse, "a-mini", "tone", {"acc": (0.9, None, None)}, [], created_at="2026-03-02", evaluation="newer", runs=[],
    )  # fmt: skip
    assert [e.metrics["acc"].estimate for e in load(warehouse).evaluations] == [0.5]


# ---- a window -----------------------------------------------------------------------------------------


FIRST, SECOND = "20260210T000000-aaaa", "20260220T000000-bbbb"


GATE = {"subject": "a-mini", "suite": "tone", "metric": "acc", "claim": "better"}


@pytest.fixture
def two_runs(warehouse):
    """Recipe a in both runs, with the same weights; b only in the first, c only in the second."""
    insert_run(warehouse, FIRST, started_at="2026-02-10 00:00:00", commit_id="aaaaaaaaaaaa")
    insert_run(warehouse, SECOND, started_at="2026-02-20 00:00:00", commit_id="bbbbbbbbbbbb", scale="full")
    for run_id, names in ((FIRST, "ab"), (SECOND, "ac")):
        for name in names:
            insert_subject(warehouse, f"{name}-mini", run_id)
    metrics = {"acc": (0.5, 0.4, 0.6)}
    insert_evaluation(warehouse, "a-mini", "tone", metrics, [], runs=[FIRST])
    insert_evaluation(warehouse, "a-mini", "tone", metrics, [], runs=[SECOND], evaluation="newer")
    insert_evaluation(warehouse, "a-mini", "quiz", metrics, [], runs=[FIRST])
    insert_evaluation(warehouse, "b-mini", "tone", metrics, [], runs=[FIRST])
    insert_evaluation(warehouse, "c-mini", "tone", metrics, [], runs=[SECOND])
    insert(warehouse, "gates", run_id=FIRST, gate="g", verdict="pass", **GATE)
    insert(warehouse, "gates", run_id=SECOND, gate="g", verdict="skipped", **GATE)
    insert(warehouse, "gates", run_id=FIRST, gate="h", verdict="pass", **GATE)
    insert(warehouse, "gates", run_id=SECOND, gate="h", verdict="fail", **GATE)
    return warehouse


def evaluations(content):
    return {(e.subject, e.suite): e.evaluation for e in content.evaluations}


def test_one_run_is_reported_with_what_it_measured_and_judged_itself(two_runs):
    content = load(two_runs)
    assert [run.run_id for run in content.runs] == [SECOND]
    assert evaluations(content) == {("a-mini", "tone"): "newer", ("c-mini", "tone"): "tone:c-mini"}
    assert {gate.gate: gate.verdict for gate in content.gates} == {"g": "skipped", "h": "fail"}


def test_a_window_takes_of_every_subject_the_newest_evaluations_and_its_claims_as_last_judged(two_runs):
    content = load(two_runs, since=datetime(2026, 2, 1))
    assert [run.run_id for run in content.runs] == [SECOND, FIRST]
    assert [subject.name for subject in content.subjects] == ["a-mini", "b-mini", "c-mini"]
    assert evaluations(content) == {
        ("a-mini", "tone"): "newer",
        ("a-mini", "quiz"): "quiz:a-mini",
        ("b-mini", "tone"): "tone:b-mini",
        ("c-mini", "tone"): "tone:c-mini",
    }
    assert {gate.gate: gate.verdict for gate in content.gates} == {"g": "pass", "h": "fail"}


def test_results_of_older_weights_are_left_out_of_a_window(two_runs):
    two_runs.execute("UPDATE subjects SET fingerprint = ? WHERE run_id = ?", [fingerprint("new weights"), SECOND])
    content = load(two_runs, recipes=["a"])
    assert evaluations(content) == {("a-mini", "tone"): "newer"}
    assert {gate.gate: gate.verdict for gate in content.gates} == {"g": "skipped", "h": "fail"}


def test_named_recipes_are_reported_alone_from_the_runs_that_used_them(two_runs):
    content = load(two_runs, recipes=["b"])
    assert [run.run_id for run in content.runs] == [FIRST]
    assert [subject.name for subject in content.subjects] == ["b-mini"]
    assert content.gates == ()


def test_a_moment_in_another_zone_is_understood(two_runs):
    summer = timezone(timedelta(hours=2))
    assert len(load(two_runs, since=datetime(2026, 2, 10, 2, tzinfo=summer)).runs) == 2
    assert len(load(two_runs, since=datetime(2026, 2, 10, 0, 0, 1, tzinfo=UTC)).runs) == 1


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"recipes": ["wiki_onyl", "a"]}, "hold no recipe wiki_onyl(?s:.*)The recipes there are: a, b, c"),
        (
            {"recipes": ["b"], "since": datetime(2026, 2, 15)},
            "hold no run of b since 2026-02-15 00:00 UTC; the newest started 2026-02-10 00:00 UTC",
        ),
        ({"since": datetime(2027, 1, 1)}, "no run since 2027-01-01 00:00 UTC; the newest started 2026-02-20"),
        ({"run_id": FIRST, "recipes": ["c"]}, f"run {FIRST} did not use c"),
    ],
)
def test_a_window_that_holds_nothing_is_an_error_that_tells_what_there_is(two_runs, asked, told):
    with pytest.raises(WarehouseError, match=told):
        load(two_runs, **asked)


def test_several_runs_are_told_as_such_in_all_three_forms(two_runs, tmp_path):
    content = load(two_runs, since=datetime(2026, 2, 1))
    line = "2 runs from 10 February 2026 to 20 February 2026 · full and mini scale · on cpu · 2.8 min · 2 commits, bbbbbbbbbb the newest"
    page = html_of(content, tmp_path)
    assert line in page
    assert "All 2 runs" in page
    assert line in summary_markdown(content)
    assert line in terminal_of(content, 200)


def test_runs_of_one_day_are_told_by_their_hours(two_runs):
    two_runs.execute("UPDATE runs SET started_at = '2026-02-20 09:30:00' WHERE run_id = ?", [SECOND])
    two_runs.execute("UPDATE runs SET started_at = '2026-02-20 00:00:00' WHERE run_id = ?", [FIRST])
    content = load(two_runs, since=datetime(2026, 2, 1))
    assert "2 runs on 20 February 2026, 00:00 to 09:30 UTC" in summary_markdown(content)


def test_rows_without_a_place_come_in_the_order_of_their_ids(warehouse):
    insert_run(warehouse)
    insert_subject(warehouse, "a-mini")
    insert_evaluation(warehouse, "a-mini", "tone", {}, [{"id": name} for name in "bca"])
    assert [s.sample_id for s in load(warehouse).evaluations[0].samples] == ["b", "c", "a"]
    warehouse.execute("UPDATE samples SET position = NULL")
    assert [s.sample_id for s in load(warehouse).evaluations[0].samples] == ["a", "b", "c"]


def test_two_results_files_are_reported_as_one(tmp_path):
    for name, run_id in (("laptop", FIRST), ("server", SECOND)):
        with connect(tmp_path / f"{name}.duckdb") as connection:
            insert_run(connection, run_id, started_at="2026-02-10 00:00:00")
            insert_subject(connection, f"{name}-mini", run_id)
            answered = [{"id": "t0", "completion": f"from the {name}"}]
            insert_evaluation(connection, f"{name}-mini", "tone", {"acc": (0.5, 0.4, 0.6)}, answered, runs=[run_id])
    with combined([tmp_path / "laptop.duckdb", tmp_path / "server.duckdb"]) as connection:
        content = load(connection, since=datetime(2026, 1, 1))
    answers = {e.subject: [s.completion.shown for s in e.samples] for e in content.evaluations}
    assert answers == {"laptop-mini": ["from the laptop"], "server-mini": ["from the server"]}


def test_a_window_over_everything_is_a_report(tmp_path):
    with build_long_warehouse(tmp_path / "results.duckdb") as connection:
        content = load(connection, recipes=["wiki_only", "with_kilt"])
    assert [run.run_id for run in content.runs] == [RUN, *reversed(PAST)]
    assert "4 runs from 10 February 2026 to 1 March 2026" in html_of(content, tmp_path)
