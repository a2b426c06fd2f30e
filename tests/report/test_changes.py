"""Where scores changed: by the test over samples, with what was different, and broken across versions of a suite."""

import json
import random

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import WarehouseError
from harness.report.changes import timelines
from harness.report.history import change_line, histories
from harness.report.load import load
from harness.report.markdown import summary_markdown
from harness.warehouse import VERSION
from tests.report.forms import html_of
from tests.report_rows import empty_warehouse, insert, insert_evaluation, insert_run, insert_subject

SUITE = {"name": "quiz", "scorer": "aa" * 32, "metrics": [{"is": "Mean", "name": "acc"}]}
RATIO = {"name": "quiz", "metrics": [{"is": "Ratio", "name": "bits", "numerator": "nll", "denominator": "bytes"}]}
DRAW = random.Random(3)
ITEMS = [DRAW.random() for _ in range(60)]


def run(connection, day, shift, suite=SUITE, rate=1e-3, base="b0", **scores):
    """A run in which alpha was trained anew and scored each item's difficulty and a little noise, shifted."""
    run_id, key = f"2026010{day}T0", f"{day:02}" * 32
    insert_run(connection, run_id, started_at=f"2026-01-0{day}", commit_id=f"{day}" * 40)
    insert_subject(connection, "alpha-mini", run_id, fingerprint=key)
    parent = f"{base}{day:02}" * 16
    for name, spec in (
        (key, {"base": {"checkpoint": parent}, "settings": {"learning_rate": rate}}),
        (parent, {"code": base}),
    ):
        insert(
            connection,
            "checkpoints",
            fingerprint=name,
            stage="finetune",
            spec=spec,
            parent=parent if name == key else None,
        )
    scored = scores or {"acc": [item + DRAW.gauss(0, 0.05) + shift for item in ITEMS]}
    answered = [
        {"id": f"q{i:02}", "scores": {name: values[i] for name, values in scored.items()}} for i in range(len(ITEMS))
    ]
    [metric] = [one["name"] for one in suite["metrics"]]
    estimate = sum(next(iter(scored.values()))) / len(ITEMS)
    insert_evaluation(
        connection, "alpha-mini", "quiz", {metric: (estimate, estimate - 0.1, estimate + 0.1)}, answered,
        evaluation=f"e{day}", runs=[run_id], spec={"suite": suite, "checkpoint": key, "code": "c0"}, fingerprint=key,
    )  # fmt: skip


def only(connection, metric="acc"):
    [(_, found)] = timelines(connection, "alpha", metric).items()
    return found


def test_the_commit_of_a_change_is_named_with_what_was_different(warehouse):
    for day in range(1, 7):
        run(warehouse, day, shift=0.2 if day > 4 else 0.0, rate=1e-2 if day > 4 else 1e-3)
    [change] = only(warehouse).changes
    assert (change.run_id, change.commit_id) == ("20260105T0", "5" * 40)
    assert change.after - change.before == pytest.approx(0.2, abs=0.02)
    assert change.why == ("settings.learning_rate 0.001 → 0.01",)
    assert change_line(change).endswith("since 5555555 (p = 0.0010): settings.learning_rate 0.001 → 0.01")


def test_what_a_checkpoint_was_trained_from_is_looked_into(warehouse):
    run(warehouse, 1, shift=0.0)
    run(warehouse, 2, shift=0.2, base="b1")
    [change] = only(warehouse).changes
    assert change.why == ("training code b0 → b1",)


def test_noise_is_no_change_and_the_same_evaluation_counts_once(warehouse):
    for day in range(1, 7):
        run(warehouse, day, shift=0.0)
    insert_run(warehouse, "20260107T0", started_at="2026-01-07", commit_id="7" * 40)
    insert_subject(warehouse, "alpha-mini", "20260107T0", fingerprint="06" * 32)
    insert(warehouse, "measured", run_id="20260107T0", subject="alpha-mini", suite="quiz", evaluation="e6")
    found = only(warehouse)
    assert len(found.points) == 6
    assert found.changes == ()


def test_across_versions_of_a_suite_nothing_is_compared_and_that_is_said(warehouse):
    for day in (1, 2, 3, 4):
        run(warehouse, day, shift=0.5 if day > 2 else 0.0, suite=SUITE if day < 3 else {**SUITE, "scorer": "bb" * 32})
    found = only(warehouse)
    assert found.changes == ()
    assert found.breaks == ((2, "scorer aaaaaaaa → bbbbbbbb"),)


def test_a_ratio_of_sums_is_tested_by_what_each_sample_adds(warehouse):
    lengths = [50 + 3 * i for i in range(60)]
    for day in (1, 2, 3, 4):
        worse = 1.1 if day > 2 else 1.0
        nll = [worse * (0.7 + item / 10) * size + DRAW.gauss(0, 0.5) for item, size in zip(ITEMS, lengths, strict=True)]
        run(warehouse, day, 0.0, suite=RATIO, nll=nll, bytes=lengths)
    assert [change.run_id for change in only(warehouse, "bits").changes] == ["20260103T0"]


def test_a_score_of_all_samples_together_is_not_tested(warehouse):
    bleu = {"name": "quiz", "metrics": [{"is": "Corpus", "name": "bleu"}]}
    for day in (1, 2):
        run(warehouse, day, 0.0, suite=bleu, bleu=[float(day)] * 60)
    found = only(warehouse, "bleu")
    assert (found.changes, len(found.points)) == ((), 2)
    assert "computed over all samples together" in found.untested


def test_page_and_comment_name_the_change(warehouse, tmp_path):
    for day in range(1, 6):
        run(warehouse, day, shift=0.2 if day > 3 else 0.0, rate=1e-2 if day > 3 else 1e-3)
    content = load(warehouse)
    [past] = histories(content)
    assert [change.run_id for change in past.changes] == ["20260104T0"]
    for form in (html_of(content, tmp_path), summary_markdown(content)):
        assert "since 4444444" in form
        assert "learning" in form.partition("since 4444444")[2][:80]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("beta", "acc"), "no recipe or subject 'beta' that was measured"),
        (("alpha", "bleu"), "alpha was measured in no metric 'bleu'"),
        (("alpha-mini", "acc", "tone"), "alpha-mini was not measured by a suite 'tone'"),
    ],
)
def test_a_name_that_is_not_there(warehouse, asked, message):
    run(warehouse, 1, 0.0)
    with pytest.raises(WarehouseError, match=message):
        timelines(warehouse, *asked)


def test_the_command_tells_the_same(tmp_path):
    file = tmp_path / "results.duckdb"
    with empty_warehouse(file) as connection:
        connection.execute("INSERT INTO warehouse VALUES (?)", [VERSION])
        for day in range(1, 6):
            run(connection, day, shift=0.2 if day > 3 else 0.0, rate=1e-2 if day > 3 else 1e-3)
    shown = CliRunner().invoke(app, ["history", "alpha", "acc", "--results", str(file)])
    assert shown.exit_code == 0, shown.output
    assert "since 4444444" in shown.output
    [found] = json.loads(CliRunner().invoke(app, ["history", "alpha", "acc", "--results", str(file), "--json"]).stdout)
    assert [change["run_id"] for change in found["changes"]] == ["20260104T0"]
    assert len(found["measurements"]) == 5
