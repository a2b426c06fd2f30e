"""Runs of one subject under different settings: what they are called, and a report that has them side by side."""

from datetime import datetime

import pytest

from harness import Table
from harness.report import settings, tables
from harness.report.custom import queried
from harness.report.history import histories
from harness.report.load import load
from tests.report.forms import html_of, markdown_of
from tests.report_rows import fingerprint, insert, insert_evaluation, insert_run, insert_subject

SLOW, FAST = {"stage": "finetune", "learning_rate": 5e-4}, {"stage": "finetune", "learning_rate": 1e-3}
FIRST, SECOND, THIRD = "20260210T0", "20260220T0", "20260230T0"


# ---- names --------------------------------------------------------------------------------------------


def test_an_older_setting_is_called_by_what_differs_from_the_newest():
    assert settings.names([[FAST], [SLOW]]) == ["", "learning_rate 0.0005"]


def test_of_several_stages_the_place_is_told_and_what_is_not_there_is_none():
    newest = [SLOW, {"stage": "finetune", "data": {"facts": 80, "talk": 40}, "adapter": {"rank": 8}}]
    older = [SLOW, {"stage": "finetune", "data": {"facts": 80, "talk": 20}, "adapter": None}]
    assert settings.names([newest, older]) == ["", "2.data.talk 20, 2.adapter.rank none"]


def test_two_settings_are_never_called_the_same_though_their_beginnings_are():
    long = [{"prompt": "x" * 100 + end} for end in "abc"]
    shown = f"prompt {'x' * 39}…"
    assert settings.names(long) == ["", shown, f"{shown}, 2 back"]
    assert settings.change(long[1], long[0]) == f"{shown} → {'x' * 39}…"


def test_a_field_that_an_earlier_harness_did_not_have_is_no_other_setting():
    assert settings.same([{**SLOW, "adapter": {"rank": 8, "modules_to_save": []}}], [{**SLOW, "adapter": {"rank": 8}}])
    assert not settings.same([SLOW], [FAST])


def test_what_an_earlier_harness_did_not_record_is_no_change():
    now = {
        **SLOW,
        "data": {"facts": 80, "talk": 40, "held out of them": 5},
        "base": "org/model",
        "held_out": {"facts": 9},
    }
    assert settings.change([{**SLOW, "data": ["facts", "talk"]}], [now]) == ""
    assert settings.change([{**SLOW, "data": ["facts"]}], [now]) == "data.2 none → talk"
    assert settings.change([now], [{**now, "base": "org/other"}]) == "base org/model → org/other"


def test_another_number_of_stages_is_told_as_that():
    assert settings.change([SLOW], [{"stage": "pretrain", "epochs": 1}, SLOW]) == "stages finetune → pretrain, finetune"


def test_a_change_is_told_with_both_values():
    assert settings.change([SLOW], [FAST]) == "learning_rate 0.0005 → 0.001"
    assert settings.change([FAST], [FAST]) == ""


# ---- side by side -------------------------------------------------------------------------------------


@pytest.fixture
def tuned(warehouse):
    """Recipe a at two rates, then at the second one again with other weights; base beside it."""
    for run_id, rate, weights in ((FIRST, SLOW, "slow"), (SECOND, FAST, "fast"), (THIRD, FAST, "fast again")):
        insert_run(warehouse, run_id, started_at=f"2026-02-{run_id[6:8].replace('30', '28')} 00:00:00")
        insert_subject(warehouse, "a-mini", run_id, settings=[rate], fingerprint=fingerprint(weights))
        insert_subject(warehouse, "base-mini", run_id, settings=[])
        estimate = {"slow": 0.5, "fast": 0.7, "fast again": 0.8}[weights]
        insert_evaluation(
            warehouse, "a-mini", "quiz", {"accuracy": (estimate, estimate - 0.1, estimate + 0.1)}, [{"id": "1"}],
            runs=[run_id], evaluation=weights, fingerprint=fingerprint(weights),
        )  # fmt: skip
        insert(
            warehouse, "gates", run_id=run_id, gate="a-mini-quiz", subject="a-mini", suite="quiz", metric="accuracy",
            claim=f"better when {weights}", verdict="pass" if weights == "slow" else "fail",
        )  # fmt: skip
    insert_evaluation(warehouse, "base-mini", "quiz", {"accuracy": (0.1, 0.0, 0.2)}, [{"id": "1"}], runs=[FIRST, THIRD])
    return warehouse


SLOWER = "a-mini with learning_rate 0.0005"


def test_each_setting_is_a_subject_of_its_own_with_its_own_results_and_claims(tuned):
    content = load(tuned, recipes=["a"], since=datetime(2026, 2, 1), each_setting=True)
    assert [subject.name for subject in content.subjects] == ["a-mini", SLOWER]
    assert {e.subject: e.evaluation for e in content.evaluations} == {"a-mini": "fast again", SLOWER: "slow"}
    assert {gate.subject: gate.claim for gate in content.gates} == {
        "a-mini": "better when fast again",
        SLOWER: "better when slow",
    }


def test_without_it_the_newest_setting_stands_alone(tuned):
    content = load(tuned, since=datetime(2026, 2, 1))
    assert [subject.name for subject in content.subjects] == ["a-mini", "base-mini"]
    assert {e.subject: e.evaluation for e in content.evaluations if e.subject != "base-mini"} == {
        "a-mini": "fast again"
    }
    assert [gate.claim for gate in content.gates] == ["better when fast again"]


def test_both_stand_as_columns_of_the_page_and_of_the_comment(tuned, tmp_path):
    content = load(tuned, since=datetime(2026, 2, 1), each_setting=True)
    assert f"| suite | metric | `a-mini` | `{SLOWER}` | `base-mini` |" in markdown_of(content, tmp_path)
    assert "<small>mini with learning_rate 0.0005</small>" in html_of(content, tmp_path)


def test_two_settings_are_no_two_seeds(tuned):
    assert tables.seeds(load(tuned, since=datetime(2026, 2, 1), each_setting=True)) == []


def test_seeds_of_one_recipe_share_their_settings_names(tuned):
    insert_subject(
        tuned, "a-mini-seed1", FIRST, settings=[SLOW], recipe="a", variant="mini", seed=1, fingerprint=fingerprint("s1")
    )
    content = load(tuned, since=datetime(2026, 2, 1), each_setting=True)
    assert {subject.name for subject in content.subjects} == {
        "a-mini", SLOWER, "a-mini-seed1 with learning_rate 0.0005", "base-mini",
    }  # fmt: skip


def test_a_claim_of_an_older_setting_stands_against_the_weights_that_it_was_judged_against(tuned):
    for run_id, weights in ((FIRST, "b then"), (THIRD, "b now")):
        insert_subject(tuned, "b-mini", run_id, settings=[SLOW], fingerprint=fingerprint(weights))
    tuned.execute("UPDATE gates SET reference = 'b-mini'")
    content = load(tuned, since=datetime(2026, 2, 1), each_setting=True)
    assert {gate.subject: gate.reference for gate in content.gates} == {
        "a-mini": "b-mini",
        SLOWER: "b-mini as it was then",
    }
    tuned.execute("UPDATE gates SET reference = 'base-mini'")  # the same weights in all runs
    content = load(tuned, since=datetime(2026, 2, 1), each_setting=True)
    assert {gate.reference for gate in content.gates} == {"base-mini"}


def test_a_regression_check_of_an_older_setting_keeps_its_baseline(tuned):
    insert(tuned, "baselines", name="main", subject="a-mini", suite="quiz", evaluation="fast", set_at="2026-02-01")
    tuned.execute("UPDATE gates SET kind = 'regression', reference = 'baseline main'")
    content = load(tuned, since=datetime(2026, 2, 1), each_setting=True)
    assert {baseline.evaluation.subject for baseline in content.baselines} == {gate.other for gate in content.gates}
    assert all(
        tables.baseline_line(content, gate).startswith("baseline main: set 1 February") for gate in content.gates
    )


def test_queries_of_a_project_know_the_subjects_by_their_own_names(tuned):
    content = load(tuned, since=datetime(2026, 2, 1), each_setting=True)
    one = queried(tuned, Table("Runs", sql="SELECT $subjects AS names"), content)
    assert one.rows == ((["a-mini", "base-mini"],),)


def test_the_history_tells_at_which_run_a_setting_changed(tuned, tmp_path):
    content = load(tuned)
    [quiz] = histories(content)
    assert [run.changes for run in quiz.runs] == [[], ["a-mini: learning_rate 0.0005 → 0.001"], []]
    assert "<small>a-mini: learning_rate 0.0005 → 0.001</small>" in html_of(content, tmp_path)


# ---- how it was computed ------------------------------------------------------------------------------


def test_a_run_says_where_it_computed_exactly(warehouse, tmp_path):
    insert_run(warehouse, FIRST, exact=True, devices="cuda:0")
    assert "on cuda:0 · in float32 and fixed batches" in markdown_of(load(warehouse), tmp_path)
    insert_run(warehouse, SECOND, started_at="2026-02-20 00:00:00", exact=False)
    assert "some in float32 and fixed batches" in markdown_of(load(warehouse, since=datetime(2026, 2, 1)), tmp_path)
    assert "fixed batches" not in markdown_of(load(warehouse), tmp_path)
