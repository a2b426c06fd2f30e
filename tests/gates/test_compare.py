"""Any two subjects, sample by sample: in the store, in the results, and what does not compare."""

import dataclasses

import pytest

from harness import Mean, warehouse
from harness.errors import EvaluationMissing, SuiteError, WarehouseError
from harness.gates.compare import Answered, Choice, answered_in_results, answered_in_store, compare, compare_subjects
from harness.gates.evidence.pairing import Conditions
from harness.store.sessions import SessionRows, write_session
from tests.gates.evidence.by_hand import scored
from tests.hand_made import add, measure

LOWER = [0.5 + i / 100 - 0.3 + 0.05 * (-1) ** i for i in range(20)]
LEVEL = [0.5 + i / 100 for i in range(20)]
SAME = [0.5 + i / 100 + 0.05 * (-1) ** i for i in range(20)]


def answered(subject="alpha-mini", suite="tone", asked=None, stopped_early=False, ids=None, metrics=None, **scores):
    samples = scored(ids=ids, **scores)
    names = metrics or list(scores)
    return Answered(subject, suite, [Mean(name) for name in names], samples, asked or {"scorer": "s"}, stopped_early)


def beta(**more):
    return answered(subject="beta-mini", **more)


def test_every_suite_and_metric_that_both_have_is_one_row():
    ours = [answered(x=LOWER, y=LEVEL), answered(suite="quiz", acc=LEVEL), answered(suite="other", x=LEVEL)]
    theirs = [beta(suite="quiz", acc=LEVEL), beta(x=LEVEL, z=LEVEL)]
    rows = compare(ours, theirs, Choice())
    assert [(row.suite, row.metric) for row in rows] == [("tone", "x"), ("quiz", "acc")]
    x = rows[0]
    assert (x.candidate, x.baseline, x.n) == ("alpha-mini", "beta-mini", 20)
    assert x.estimate == pytest.approx(-0.3)
    assert x.candidate_score == pytest.approx(sum(LOWER) / 20)
    assert x.baseline_score == pytest.approx(sum(LEVEL) / 20)
    assert x.low < x.estimate < x.high < 0


def test_a_difference_is_called_higher_or_lower_where_chance_is_ruled_out():
    verdicts = {
        name: compare([answered(x=ours)], [beta(x=theirs)], Choice())[0].verdict
        for name, ours, theirs in (("lower", LOWER, LEVEL), ("higher", LEVEL, LOWER), ("inconclusive", SAME, LEVEL))
    }
    assert verdicts == {name: name for name in ("lower", "higher", "inconclusive")}


def test_p_is_adjusted_over_the_whole_table():
    """Six of ten answers lost: p = 2/64, which alone is a finding. Beside a second metric without one it is none."""
    six = [0.1] * 6 + [0.9] * 4
    [alone] = compare([answered(x=six)], [beta(x=[0.9] * 10)], Choice())
    assert (alone.p_value, alone.p_adjusted, alone.verdict) == (2 / 64, 2 / 64, "lower")
    even = [0.8, 1.0] * 5
    x, y = compare([answered(x=six, y=even)], [beta(x=[0.9] * 10, y=[0.9] * 10)], Choice())
    assert (x.p_adjusted, x.verdict) == (2 * 2 / 64, "inconclusive")
    assert (y.p_adjusted, y.verdict) == (y.p_value, "inconclusive")


def test_a_row_says_where_the_two_were_asked_in_other_tokens():
    ours, theirs = answered(x=LOWER), beta(x=LEVEL)
    other = dataclasses.replace(theirs, conditions=Conditions("t", "c2", "p2"))
    for conditions, said in ((Conditions("t", "c", "p"), "chat templates"), (Conditions("t", "c2", "p2"), "")):
        [row] = compare([dataclasses.replace(ours, conditions=conditions)], [other], Choice())
        assert row.asked_otherwise == said


def test_a_row_says_where_the_two_were_computed_on_other_hardware():
    ours, theirs = answered(x=LOWER), beta(x=LEVEL)
    for other, said in (("NVIDIA H100", ""), ("a CPU", "NVIDIA H100 and a CPU")):
        sides = [(ours, "NVIDIA H100"), (theirs, other)]
        sides = [dataclasses.replace(side, conditions=Conditions(computed_on=on)) for side, on in sides]
        [row] = compare(sides[:1], sides[1:], Choice())
        assert row.computed_otherwise == said


def test_one_metric_is_chosen_by_name():
    rows = compare([answered(x=LOWER, y=LEVEL)], [beta(x=LEVEL, y=LEVEL)], Choice(metric="y"))
    assert [row.metric for row in rows] == ["y"]


def test_a_suite_that_has_changed_is_refused_unless_what_is_common_is_asked_for():
    ours, theirs = answered(x=LOWER, asked={"scorer": "new"}), beta(x=LEVEL, asked={"scorer": "old"})
    with pytest.raises(SuiteError) as error:
        compare([ours], [theirs], Choice())
    assert error.value.problem == (
        "suite tone has changed in scorer between beta-mini and alpha-mini (old there, new here)."
    )
    assert "--common" in error.value.remedy
    [row] = compare([ours], [theirs], Choice(common=True))
    assert row.verdict == "lower"


def test_other_samples_are_refused_unless_what_is_common_is_asked_for_or_one_side_was_stopped_early():
    ids = [f"s{i:02}" for i in range(10, 30)]
    ours, theirs = answered(x=LOWER), beta(x=LEVEL, ids=ids)
    with pytest.raises(SuiteError, match="did not answer the same samples"):
        compare([ours], [theirs], Choice())
    stopped = beta(x=LEVEL, ids=ids, stopped_early=True)
    for rows in (compare([ours], [theirs], Choice(common=True)), compare([ours], [stopped], Choice())):
        assert [row.n for row in rows] == [10]


# ---- in the store -------------------------------------------------------------------------------------


def test_two_subjects_of_the_store_are_compared_over_all_suites_that_measured_both(made):
    alpha, other = add(made, "alpha"), add(made, "beta")
    measure(made, alpha, x=LOWER)
    measure(made, other, x=LEVEL)
    measure(made, alpha, "share", acc=[1.0] * 20, loss=LEVEL)
    rows = compare_subjects(made.results, made.suites.values(), alpha, other, Choice())
    assert [(row.suite, row.metric, row.verdict) for row in rows] == [("tone", "x", "lower")]
    [one] = answered_in_store(made.results, [made.project.suite("tone")], alpha)
    assert (one.subject, one.suite, one.stopped_early) == ("alpha-mini", "tone", False)
    assert one.asked["name"] == "tone"


def test_nothing_measured_on_both_sides_is_told_with_the_command(made):
    alpha, other = add(made, "alpha"), add(made, "beta")
    measure(made, alpha, x=LOWER)
    with pytest.raises(EvaluationMissing) as error:
        compare_subjects(made.results, made.suites.values(), alpha, other, Choice())
    assert error.value.problem == "no suite has measured both alpha-mini and beta-mini."
    assert error.value.remedy == 'Add it: pytest suites/ -k "alpha or beta" --scale mini'
    with pytest.raises(EvaluationMissing, match=r"by suite tone metric y\."):
        compare_subjects(made.results, made.suites.values(), alpha, other, Choice("tone", "y"))


# ---- in the results -----------------------------------------------------------------------------------


def session(made, run_id, subjects):
    """Rows of a session that asked for the suite `tone` of these subjects: subject -> evaluation."""
    run = {"run_id": run_id, "started_at": "2026-03-01T12:00:00.000", "seconds": 1.0, "scale": "mini",
           "devices": "cpu", "trained": 0, "evaluated": 1, "environment": "{}"}  # fmt: skip
    rows = [
        {"run_id": run_id, "subject": s.id, "recipe": s.recipe.name, "variant": s.variant.name, "seed": s.seed,
         "settings": "[]", "fingerprint": made.keys.fingerprint(s)}
        for s in subjects
    ]  # fmt: skip
    measured = [
        {"run_id": run_id, "subject": s.id, "suite": "tone", "evaluation": one.key} for s, one in subjects.items()
    ]
    write_session(made.store, SessionRows(run, rows, [], measured))


@pytest.fixture
def connection(made, tmp_path):
    """Results of two sessions: alpha, beta and two variants of gamma; then alpha again, with other weights."""
    before, other = add(made, "alpha"), add(made, "beta")
    tiny, gamma = add(made, "gamma", variant="tiny", version="-tiny"), add(made, "gamma")
    first = {before: measure(made, before, x=LEVEL), other: measure(made, other, x=LEVEL)}
    first |= {tiny: measure(made, tiny, x=LEVEL), gamma: measure(made, gamma, x=SAME)}
    session(made, "20260301T120000-aaaaaa", first)
    after = add(made, "alpha", version="2")
    session(made, "20260302T120000-bbbbbb", {after: measure(made, after, x=LOWER)})
    with warehouse.connect(tmp_path / "results.duckdb") as connection:
        warehouse.ingest(connection, made.store)
        yield connection


def scores(answered):
    return [sample.scores["x"] for sample in answered.samples]


@pytest.mark.parametrize("name", ["alpha-mini", "alpha", "alpha@20260302", "alpha-mini@20260302T120000-bbbbbb"])
def test_the_newest_results_of_a_subject_are_found_by_its_id_or_recipe_or_run(connection, name):
    [found] = answered_in_results(connection, name)
    assert (found.subject, found.suite) == (name, "tone")
    assert scores(found) == LOWER
    assert [metric.name for metric in found.metrics] == ["x"]


def test_an_earlier_run_is_compared_with_a_later_one(connection):
    then, now = (answered_in_results(connection, f"alpha@{day}") for day in ("20260301", "20260302"))
    assert scores(then[0]) == LEVEL
    [row] = compare(now, then, Choice())
    assert (row.candidate, row.baseline, row.verdict) == ("alpha@20260302", "alpha@20260301", "lower")


def test_what_one_gpu_computed_in_two_dtypes_is_told_apart(connection):
    before, after = ("alpha@20260301", "float32"), ("alpha@20260302", "bfloat16")
    for name, dtype in (before, after):
        connection.execute(
            "UPDATE evaluations SET device = 'cuda:0', dtype = ?, environment = '{\"gpu\": \"NVIDIA L4\"}' "
            "WHERE evaluation = (SELECT evaluation FROM measured WHERE subject = 'alpha-mini' AND starts_with(run_id, ?))",
            [dtype, name.partition("@")[2]],
        )
    [row] = compare(answered_in_results(connection, after[0]), answered_in_results(connection, before[0]), Choice())
    assert row.computed_otherwise == "NVIDIA L4 in bfloat16 and NVIDIA L4 in float32"
    connection.execute("UPDATE evaluations SET dtype = NULL WHERE dtype = 'float32'")  # a file of an earlier harness
    [row] = compare(answered_in_results(connection, after[0]), answered_in_results(connection, before[0]), Choice())
    assert row.computed_otherwise == ""


def test_one_suite_is_chosen_by_name(connection):
    assert [one.suite for one in answered_in_results(connection, "alpha", "tone")] == ["tone"]
    assert answered_in_results(connection, "alpha", "quiz") == []


@pytest.mark.parametrize(
    ("name", "problem", "remedy"),
    [
        (
            "delta",
            "the results hold no subject 'delta'.",
            "Name one of: alpha-mini, beta-mini, gamma-mini, gamma-tiny.",
        ),
        (
            "beta@20260302",
            "the results hold no subject 'beta' in a run 20260302.",
            "Name one of: alpha-mini, beta-mini",
        ),
        ("gamma", "the results hold several subjects of 'gamma'.", "Name one of: gamma-mini, gamma-tiny."),
    ],
)
def test_a_name_that_means_no_subject_or_several_is_told_with_those_there_are(connection, name, problem, remedy):
    with pytest.raises(WarehouseError) as error:
        answered_in_results(connection, name)
    assert error.value.problem == problem
    assert error.value.remedy.startswith(remedy)
