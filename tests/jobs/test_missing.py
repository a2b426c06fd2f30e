"""What is wanted and not stored becomes jobs: each thing once, parents before children, wrong data found beforehand."""

import dataclasses

import pytest

from harness import Claim, Dataset, Embedded, Files, Finetune, Mix, Pretrain, Recipe, Sample, Suite, Variant
from harness.data.reading.rows import Access
from harness.errors import DataError, HarnessError, SuiteError
from harness.evaluation import StoredResults
from harness.evaluation.asking.answers import store_answers
from harness.evaluation.asking.rows import SuiteRows
from harness.fingerprint.keys import Keys
from harness.jobs import missing
from harness.jobs.context import JobContext
from harness.jobs.events import Note
from harness.jobs.job import Job, waits_for
from harness.jobs.missing import Wanted, check_installed, missing_jobs
from harness.jobs.pool import WorkerPool
from tests.fingerprint.stages import SHAPE
from tests.hand_made import add, answered, measure

FACTS = Dataset(name="facts", mini=Embedded("facts", text="statement"))
TUNE = Finetune(data=Mix(FACTS.rows(mini=20)), learning_rate=1e-4, epochs=1, effective_batch_size=4)
GROUND = Pretrain(data=Mix(FACTS.rows(mini=50)), learning_rate=6e-4, epochs=1, effective_batch_size=8)


@pytest.fixture
def made(made):
    """A session that measures what is missing."""
    made.judging_only = False
    return made


def on_ground(made, name, ground=None, stages=(TUNE,)):
    """A recipe over a pretrained one, which is `ground` unless another is given."""
    if ground is None:
        variants = [Variant("mini", base=SHAPE, scale="mini")]
        ground = made.recipes.setdefault("ground", Recipe(name="ground", stages=[GROUND], variants=variants))["mini"]
    made.recipes[name] = Recipe(name=name, stages=stages, variants=[Variant("mini", base=ground, scale="mini")])
    return made.recipes[name]["mini"]


def planned(made, *sides):
    return [made.results.planned(made.project.suite(suite), subject) for suite, subject in sides]


def context_of(made, access=None, reported=None):
    """What jobs have at hand; with another access to data, under keys of it."""
    results = made.results
    if access is not None:
        results = StoredResults(made.store, Keys(made.root, access, made.store.digests, suites=lambda: made.suites))
    report = [] if reported is None else reported
    return JobContext(results, WorkerPool(), SuiteRows(access or Access("mini")), report.append)


def jobs(made, subjects=(), evaluations=(), references=(), **more):
    wanted = Wanted(subjects, planned(made, *evaluations), planned(made, *references), **more)
    return missing_jobs(wanted, context_of(made), list(made.suites.values()))


def described(found):
    """Name of each job, in order -> the names of those that it needs."""
    return {job.name: [need.name for need in job.needs] for job in found.in_order}


def publish(made, subject):
    """All checkpoints that lead to the subject."""
    for stage in made.keys.chain(subject):
        if stage.is_made and not made.store.holds("checkpoints", stage.key):
            folder = made.store.work("checkpoints", stage.key) / "made"
            folder.mkdir()
            made.store.publish("checkpoints", stage.key, folder, stage.spec, {})


# ---- the graph ----------------------------------------------------------------------------------------


def test_nothing_wanted_is_nothing_to_do(made):
    found = jobs(made)
    assert (found.jobs, found.discarded, found.in_order) == ({}, set(), [])


def test_a_checkpoint_is_made_after_its_base_and_measured_after_it_is_made(made):
    tuned = on_ground(made, "tuned")
    found = jobs(made, [tuned], [("tone", tuned), ("share", tuned)])
    assert described(found) == {
        "ground-mini pretrain": [],
        "tuned-mini finetune": ["ground-mini pretrain"],
        "tuned-mini measuring": ["tuned-mini finetune"],
    }
    assert [job.kind for job in found.in_order] == ["train", "train", "measure"]
    fingerprint = made.keys.fingerprint(tuned)
    assert found.of_checkpoint(fingerprint).name == "tuned-mini finetune"
    assert found.of_evaluations(fingerprint).name == "tuned-mini measuring"
    assert [one.suite.name for one in found.of_evaluations(fingerprint).run.suites] == ["tone", "share"]


def test_a_base_that_two_recipes_share_is_trained_once(made):
    first, second = on_ground(made, "first"), on_ground(made, "second", stages=[dataclasses.replace(TUNE, epochs=2)])
    assert described(jobs(made, [first, second])) == {
        "ground-mini pretrain": [],
        "first-mini finetune": ["ground-mini pretrain"],
        "second-mini finetune": ["ground-mini pretrain"],
    }


def test_two_recipes_of_the_same_weights_are_trained_and_measured_once(made):
    first, twin = on_ground(made, "first"), on_ground(made, "twin")
    found = jobs(made, [first, twin], [("tone", first), ("tone", twin)])
    assert list(described(found)) == ["ground-mini pretrain", "first-mini finetune", "first-mini measuring"]
    assert len(found.in_order[-1].run.suites) == 1


def test_an_evaluation_that_is_wanted_wants_its_checkpoint(made):
    tuned = on_ground(made, "tuned")
    for found in (jobs(made, evaluations=[("tone", tuned)]), jobs(made, references=[("tone", tuned)])):
        assert list(described(found)) == ["ground-mini pretrain", "tuned-mini finetune", "tuned-mini measuring"]


def test_what_is_stored_is_not_made_again(made):
    tuned = on_ground(made, "tuned")
    publish(made, tuned)
    assert described(jobs(made, [tuned], [("tone", tuned)])) == {"tuned-mini measuring": []}
    measure(made, tuned, x=[1.0, 0.0])
    assert described(jobs(made, [tuned], [("tone", tuned)])) == {}
    found = jobs(made, [tuned], [("tone", tuned), ("share", tuned)])
    assert [one.suite.name for one in found.in_order[0].run.suites] == ["share"]


def test_only_the_last_stage_is_made_where_its_base_is_stored(made):
    tuned = on_ground(made, "tuned")
    publish(made, made.recipes["ground"]["mini"])
    assert described(jobs(made, [tuned])) == {"tuned-mini finetune": []}


def test_weights_used_as_they_are_are_measured_and_not_made(made):
    base = add(made, "base")
    assert described(jobs(made, [base], [("tone", base)])) == {"base-mini measuring": []}


# ---- --retrain, --reevaluate --------------------------------------------------------------------------


def test_training_again_makes_the_selected_anew_with_all_that_stands_on_it_and_not_its_base(made):
    tuned = on_ground(made, "tuned")
    above = on_ground(made, "above", ground=tuned)
    publish(made, above)
    evaluation = measure(made, above, x=[1.0, 0.0])
    [of_above] = planned(made, ("tone", above))
    store_answers(made.store, of_above, answered([Sample(id="a"), Sample(id="b")], x=[1.0, 0.0]))
    found = jobs(made, [tuned], retrain=True)
    assert described(found) == {"tuned-mini finetune": []}
    assert found.of_checkpoint(made.keys.fingerprint(tuned)).run.again
    expected = {made.keys.fingerprint(tuned), made.keys.fingerprint(above), evaluation.key, of_above.answers_key}
    assert found.discarded == expected


def test_training_again_measures_again(made):
    tuned = on_ground(made, "tuned")
    publish(made, tuned)
    measure(made, tuned, x=[1.0, 0.0])
    found = jobs(made, [tuned], [("tone", tuned)], retrain=True)
    assert described(found) == {"tuned-mini finetune": [], "tuned-mini measuring": ["tuned-mini finetune"]}


def test_measuring_again_asks_anew_what_was_selected_and_not_what_it_is_compared_with(made):
    alpha, beta = add(made, "alpha"), add(made, "beta")
    for subject in (alpha, beta):
        measure(made, subject, x=[1.0, 0.0])
    found = jobs(made, [alpha], [("tone", alpha)], [("tone", beta)], reevaluate=True)
    [own] = planned(made, ("tone", alpha))
    assert described(found) == {"alpha-mini measuring": []}
    assert found.discarded == {own.key, own.answers_key}


def test_a_scorer_edited_asks_no_model_again(made):
    alpha = add(made, "alpha")
    [tone] = planned(made, ("tone", alpha))
    wanted = Wanted([alpha], [tone], [])
    suites = list(made.suites.values())
    [job] = missing_jobs(wanted, context_of(made), suites).in_order
    assert job.asks == "model"
    samples = context_of(made).rows.samples(tone.suite)
    store_answers(made.store, tone, answered(samples, x=[0.25] * len(samples)))
    [job] = missing_jobs(wanted, context_of(made), suites).in_order
    assert job.asks == "nothing"
    [job] = missing_jobs(dataclasses.replace(wanted, reevaluate=True), context_of(made), suites).in_order
    assert job.asks == "model"


# ---- --adaptive ---------------------------------------------------------------------------------------


def test_what_may_be_stopped_waits_for_what_it_is_compared_with(made):
    """Else its gates could not be judged at any look. No job waits in a circle, whoever compares with whom."""
    made.adaptive = True
    alpha = add(made, "alpha", [Claim("share", "acc", higher_than="beta")])
    beta = add(made, "beta", [Claim("wide", "acc", higher_than="alpha")])
    made.suites["wide"] = dataclasses.replace(made.project.suite("share"), name="wide")
    found = jobs(made, evaluations=[(suite, subject) for suite in ("share", "wide") for subject in (alpha, beta)])
    by_name = {job.name: job for job in found.in_order}
    ours, theirs = by_name["alpha-mini measuring"], by_name["beta-mini measuring"]
    assert waits_for(ours, theirs)
    assert not waits_for(theirs, ours)


def test_a_reference_that_is_stored_is_not_waited_for(made):
    made.adaptive = True
    alpha = add(made, "alpha", [Claim("share", "acc", higher_than="beta")])
    measure(made, add(made, "beta"), "share", acc=[1.0, 0.0], loss=[1.0, 2.0])
    [job] = jobs(made, evaluations=[("share", alpha)], references=[("share", made.recipes["beta"]["mini"])]).in_order
    assert (job.name, job.after) == ("alpha-mini measuring", [])


def test_without_it_nobody_waits_for_a_reference(made):
    alpha = add(made, "alpha", [Claim("share", "acc", higher_than="beta")])
    found = jobs(made, evaluations=[("share", alpha)], references=[("share", add(made, "beta"))])
    assert len(found.in_order) == 2
    assert all(job.after == [] for job in found.in_order)


# ---- data that cannot be used -------------------------------------------------------------------------


def written(tmp_path, text):
    """Access to a data root with these rows in `own.jsonl`."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "own.jsonl").write_text(text)
    return Access("mini", tmp_path / "data")


def test_held_out_rows_that_are_trained_on_are_an_error_before_anything_runs(made):
    stage = dataclasses.replace(TUNE, held_out=Mix(FACTS.rows(mini=20)))
    with pytest.raises(DataError, match="alpha-mini finetune: 20 held-out rows are trained on") as error:
        jobs(made, [add(made, "alpha", stages=[stage])])
    assert error.value.remedy.startswith("Declare held_out rows beyond the training rows: Rows.held_out(n).")


def test_a_conversation_cannot_be_pretrained_on(made):
    stage = dataclasses.replace(GROUND, data=Mix(Dataset(name="talk", mini=Embedded("instructions")).rows(mini=5)))
    made.recipes["alpha"] = Recipe(name="alpha", stages=[stage], variants=[Variant("mini", base=SHAPE, scale="mini")])
    with pytest.raises(DataError, match="is a conversation; pretraining wants text"):
        jobs(made, [made.recipes["alpha"]["mini"]])


def test_a_training_row_that_holds_a_whole_item_is_an_error_before_anything_runs(made, tmp_path):
    whole = "The owl sat in the old tree and waited for the long rain to stop."
    access = written(tmp_path, f'{{"text": "He said: {whole}"}}\n')
    own = Dataset(name="own", mini=Files("own.jsonl"))
    made.suites["recall"] = Suite(
        name="recall",
        dataset=Dataset(name="items", mini=Embedded("tone_prompts")).rows(mini=1),
        to_sample=lambda row: Sample(id="item-1", target=whole),
        scorer=lambda sample, output: {},
    )
    alpha = add(made, "alpha", stages=[dataclasses.replace(TUNE, data=Mix(own))])
    beta = add(made, "beta")
    context = context_of(made, access)
    about = lambda subject: context.results.planned(made.project.suite("recall"), subject)
    with pytest.raises(DataError, match=r"alpha-mini finetune: its rows contain .*recall: item-1"):
        missing_jobs(Wanted([alpha], [about(alpha)]), context, list(made.suites.values()))
    found = missing_jobs(Wanted([alpha], [about(beta)]), context, list(made.suites.values()))
    assert len(found.jobs) == 2, "a model that the suite does not measure may train on its items"


def test_a_row_that_makes_no_sample_is_an_error_before_anything_runs(made):
    broken = dataclasses.replace(made.project.suite("tone"), name="broken", to_sample=lambda row: row["absent"])
    made.suites["broken"] = broken
    with pytest.raises(SuiteError, match="suite broken: .* to_sample fails with KeyError: 'absent'"):
        jobs(made, evaluations=[("broken", add(made, "alpha"))])


def test_rows_that_were_left_out_are_reported_and_listed(made, tmp_path):
    access = dataclasses.replace(
        written(tmp_path, '{"text": "one"}\n{"text": "two"}\n{"text": 3}\n'), skip_bad_rows=True
    )
    alpha = add(
        made, "alpha", stages=[dataclasses.replace(TUNE, data=Mix(Dataset(name="own", mini=Files("own.jsonl"))))]
    )
    reported = []
    context = context_of(made, access, reported)
    found = missing_jobs(Wanted([alpha]), context, [])
    [job] = found.in_order
    assert {row["text"] for row in job.run.rows.rows} == {"one", "two"}
    [note] = reported
    assert isinstance(note, Note)
    assert note.text.startswith("alpha-mini finetune: 1 rows left out, listed in ")
    listed = (made.store.root / "left_out" / "alpha-mini-finetune.txt").read_text()
    assert listed.startswith("own.jsonl:3: ")


def test_what_jobs_need_is_installed_where_these_tests_train():
    pytest.importorskip("torch")
    check_installed([Job("k", "alpha-mini measuring", "measure", run=lambda job, device: None)])


@pytest.mark.parametrize(("asks", "absent", "extra"), [("model", "trl", "train"), ("server", "openai", "endpoint")])
def test_only_what_the_jobs_need_must_be_installed(monkeypatch, asks, absent, extra):
    job = Job("k", "alpha-mini measuring", "measure", run=lambda job, device: None, asks=asks)
    monkeypatch.setattr("harness.jobs.missing.find_spec", lambda name: None)
    with pytest.raises(HarnessError, match=f"{absent}.* must be installed") as error:
        check_installed([job])
    assert f"with its extra `{extra}`" in error.value.remedy


def test_a_hub_model_that_this_user_may_not_have_is_refused_before_any_job(made, monkeypatch):
    asked = []

    def refuse(model, revision):
        asked.append((model, revision))
        raise DataError(f"model {model}: its files are given only to users who have accepted its licence.")

    monkeypatch.setattr(missing, "check_access", refuse)
    variants = [Variant("mini", base="org/gated", scale="mini")]
    made.recipes["tuned"] = Recipe(name="tuned", stages=[TUNE], variants=variants)
    tuned = made.recipes["tuned"]["mini"]
    with pytest.raises(DataError, match="org/gated: its files are given only"):
        missing_jobs(Wanted([tuned]), context_of(made), [])
    assert asked == [("org/gated", None)]
    missing_jobs(Wanted([on_ground(made, "own")]), context_of(made), [])
    assert len(asked) == 1, "a model of one's own is nobody's to give"
