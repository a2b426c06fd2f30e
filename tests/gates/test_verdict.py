"""A verdict as a value: whether it passed, what a JUnit file holds of it, and its row in the results."""

import json

import pytest

from harness.gates.evidence import Loud
from harness.gates.verdict import PROPERTIES, Verdict

SKIPPED = Verdict(
    "alpha-mini-tone-x",
    "alpha-mini",
    None,
    "tone",
    "x",
    "claim",
    "tone x is below 0.5",
    "skipped",
    message="not measured",
)
PASSED = Verdict(
    "alpha-mini-tone-x", "alpha-mini", "beta-mini", "tone", "x", "claim", "tone x is lower than beta's", "pass",
    candidate=0.25, baseline=0.5, estimate=-0.25, low=-0.375, high=-0.125, threshold=0.0, level=0.95, p_value=0.03125,
    p_adjusted=0.0625, family=2, n=6, method="t", loudest=(Loud("s01", 0.1, 0.5),), message="It is lower.",
)  # fmt: skip


@pytest.mark.parametrize("outcome", ["pass", "fail", "inconclusive", "skipped"])
def test_only_a_pass_has_passed(outcome):
    verdict = Verdict("g", "s", None, "tone", "x", "claim", "c", outcome)
    assert verdict.passed == (outcome == "pass")


def test_properties_are_texts_in_a_fixed_order_and_leave_out_what_is_not_known():
    assert PASSED.properties == [
        ("suite", "tone"), ("metric", "x"), ("candidate", "0.25"), ("baseline", "0.5"), ("estimate", "-0.25"),
        ("low", "-0.375"), ("high", "-0.125"), ("p_value", "0.03125"), ("p_adjusted", "0.0625"), ("n", "6"),
        ("verdict", "pass"),
    ]  # fmt: skip
    assert [name for name, _ in PASSED.properties] == list(PROPERTIES)
    assert SKIPPED.properties == [("suite", "tone"), ("metric", "x"), ("verdict", "skipped")]


def test_a_row_has_a_value_for_every_column_of_the_gates_in_the_results(tmp_path):
    from harness import warehouse

    with warehouse.connect(tmp_path / "results.duckdb") as connection:
        found = connection.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = 'gates'").fetchall()
    row = PASSED.row("20260301T120000-aaaaaa")
    assert set(row) == {name for (name,) in found}
    assert row["run_id"] == "20260301T120000-aaaaaa"
    assert json.loads(row["loudest"]) == [{"sample_id": "s01", "candidate": 0.1, "baseline": 0.5}]
    assert (row["verdict"], row["n"], row["samples_needed"]) == ("pass", 6, None)
