"""Keys of answers and of scores: a new scorer finds the old answers, a new question finds neither."""

import dataclasses

import pytest

from harness import (
    Embedded,
    Generate,
    Guard,
    LmEval,
    LmEvalTask,
    Mean,
    Mix,
    Overlap,
    Perplexity,
    Probe,
    Sample,
    Suite,
    TrainingRecord,
)
from harness.environment import version_of
from harness.fingerprint.evaluations import dtype_on
from tests.fingerprint.own_tasks import ALWAYS, DATA, write_task
from tests.fingerprint.stages import FACTS, FINETUNE, chain, keys_of, subject


def to_sample(row):
    return Sample(id=row["id"], prompt=row["statement"])


def to_other_sample(row):
    return Sample(id=row["id"], prompt="?" + row["statement"])


def score(sample, output):
    return {"x": 1.0}


def score_otherwise(sample, output):
    return {"x": 2.0}


def floors(samples):
    return {"x": {"chance": 0.5}}


SUITE = Suite(name="look", dataset=FACTS, to_sample=to_sample, scorer=score)
BASE = subject(base="org/model")


def planned(suite=SUITE, of=BASE, **more):
    return keys_of(**more).evaluation(suite, of)


def changed(**fields):
    """Whether the key of the answers, and that of the scores, changes with the suite's fields."""
    before, after = planned(), planned(dataclasses.replace(SUITE, **fields))
    return before.answers_key != after.answers_key, before.key != after.key


@pytest.mark.parametrize(
    ("fields", "answers", "scores"),
    [
        ({"to_sample": to_other_sample}, True, True),
        ({"asks": (Generate(max_new_tokens=8),)}, True, True),
        ({"asks": (Generate(), Perplexity())}, True, True),
        ({"system_prompt": "Be brief."}, True, True),
        ({"dataset": FACTS.rows(mini=3)}, True, True),
        ({"scorer": score_otherwise}, False, True),
        ({"metrics": (Mean("x", (0, 1)),)}, False, True),
        ({"floors": floors}, False, True),
        ({"name": "glance"}, False, True),
        ({"about": "What it is."}, False, False),
        ({"guards": (Guard("x", may_fall=0.1),)}, False, False),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_questions_decide_answers_and_the_scorer_decides_scores(fields, answers, scores):
    assert changed(**fields) == (answers, scores)


def test_a_dataset_of_another_name_with_the_same_bytes_asks_the_same():
    assert changed(dataset=dataclasses.replace(FACTS, name="renamed")) == (False, False)
    assert changed(dataset=dataclasses.replace(FACTS, mini=Embedded("facts"))) == (True, True), "read otherwise"


def test_another_checkpoint_has_other_answers():
    before, after = planned(), planned(of=subject(base="org/other"))
    assert before.answers_key != after.answers_key
    assert before.key != after.key
    assert before.spec["checkpoint"] == keys_of().fingerprint(BASE)


def test_two_recipes_of_the_same_weights_share_one_evaluation():
    twin = subject(name="twin", base="org/model")
    assert planned().key == planned(of=twin).key
    assert (planned().name, planned(of=twin).name) == ("alpha-mini look", "twin-mini look")


def test_a_gpu_measures_in_other_numbers_and_which_one_does_not_matter():
    keys = {device: planned(device=device).answers_key for device in ("cpu", "cuda:0", "cuda:1")}
    assert keys["cuda:0"] == keys["cuda:1"] != keys["cpu"]
    assert (dtype_on("cpu"), dtype_on("cuda:3")) == ("float32", "bfloat16")


def test_exact_answers_are_others_on_a_gpu_and_the_same_on_a_cpu():
    keys = {
        (device, exact): planned(device=device, exact=exact) for device in ("cpu", "cuda:0") for exact in (True, False)
    }
    assert keys["cpu", True].key == keys["cpu", False].key, "float32 in batches of a fixed size anyway"
    assert len({one.answers_key for one in keys.values()}) == 3
    exact = keys["cuda:0", True].answers
    assert (exact["dtype"], exact["batches"]) == ("float32", "fixed")
    assert keys_of(device="cuda:0", exact=True).arithmetic == ("float32", True)
    assert keys_of(device="cpu", exact=True).arithmetic == ("float32", False)


def test_the_scores_stand_on_the_answers():
    found = planned()
    assert found.spec["answers"] == found.answers_key
    assert found.spec["code"] != found.answers["code"]


# ---- stopped early ------------------------------------------------------------------------------------


def test_a_rule_that_may_stop_a_suite_is_part_of_both_keys():
    whole, one, other = planned(), planned().adaptive({"early": 0.2}), planned().adaptive({"early": 0.1})
    assert len({found.key for found in (whole, one, other)}) == 3
    assert len({found.answers_key for found in (whole, one, other)}) == 3
    assert (whole.rule, one.rule) == (None, {"early": 0.2})
    assert one.spec["whole"] == whole.key
    assert one.spec["answers"] == one.answers_key


def test_which_samples_are_asked_until_decided_depends_on_their_scores():
    rule = {"early": 0.2}
    rescored = planned(dataclasses.replace(SUITE, scorer=score_otherwise))
    assert planned().answers_key == rescored.answers_key
    assert planned().adaptive(rule).answers_key != rescored.adaptive(rule).answers_key


# ---- a part of a suite ----------------------------------------------------------------------------------


def test_a_limit_is_part_of_both_keys_and_of_what_a_model_is_asked_alone():
    whole, five, six = planned(), planned(limit=5), planned(limit=6)
    assert len({found.key for found in (whole, five, six)}) == 3
    assert len({found.answers_key for found in (whole, five, six)}) == 3
    assert (whole.limit, five.limit) == (None, 5)
    assert five.spec["answers"] == five.answers_key
    record = Suite(name="training", asks=(TrainingRecord(),), scorer=score)
    held_out = dataclasses.replace(FINETUNE, held_out=Mix(FACTS.rows(mini=20).held_out(5, mini=5)))
    of = subject([held_out], base="org/model")
    assert planned(record, of, limit=5).key == planned(record, of).key, "it costs nothing to read the whole record"


# ---- what asks bring along ----------------------------------------------------------------------------


def test_lm_eval_counts_by_its_version_where_it_is_asked():
    asked = dataclasses.replace(SUITE, asks=(LmEval("openbookqa"),))
    installed = version_of("lm_eval")
    assert planned().spec["lm_eval"] is None
    assert planned(asked, last_lm_eval=lambda: "0.1").spec["lm_eval"] == (installed or "0.1")
    assert planned(asked, last_lm_eval=lambda: "0.1").answers["lm_eval"] == (installed or "0.1")


def test_a_training_record_is_about_the_rows_held_out():
    record = Suite(name="training", asks=(TrainingRecord(),), scorer=score)
    held_out = [Mix(FACTS.rows(mini=20).held_out(5, mini=n)) for n in (5, 6)]
    stages = [dataclasses.replace(FINETUNE, held_out=rows) for rows in held_out]
    assert chain(stages[:1], base="org/model") == chain(stages[1:], base="org/model"), "the weights are the same"
    first, second = (planned(record, subject([stage], base="org/model")) for stage in stages)
    assert first.spec["suite"]["data"] == keys_of().data.of(held_out[0], "mini")
    assert first.key != second.key


def test_what_training_rows_share_with_items_depends_on_every_suites_items():
    overlap = Suite(name="contamination", asks=(Overlap(),), scorer=score)
    tuned = subject([FINETUNE], base="org/model")

    def key(*suites):
        return planned(overlap, tuned, suites=lambda: {suite.name: suite for suite in (overlap, *suites)}).answers_key

    assert len({key(), key(SUITE), key(dataclasses.replace(SUITE, to_sample=to_other_sample))}) == 3
    assert key(SUITE) == key(dataclasses.replace(SUITE, scorer=score_otherwise)), "which are scored as they are"


def test_a_probe_is_asked_in_its_dtypes():
    probes = [dataclasses.replace(SUITE, asks=(Probe(dtypes=dtypes),)) for dtypes in (("float32",), ("bfloat16",))]
    assert planned(probes[0]).answers_key != planned(probes[1]).answers_key


def test_a_task_file_counts_by_its_bytes_and_by_those_of_the_files_it_names(tmp_path):
    task, rows, helper, unused = (tmp_path / name for name in ("own.yaml", "rows.jsonl", "helper.py", "unused.py"))
    task.write_text(f"task: own\ndata: {rows}\nprocess: !function helper.score\n")
    for file in (rows, helper, unused):
        file.write_text("1")
    suite = Suite(name="own", asks=(LmEvalTask(str(task)),), scorer=score)
    before = planned(suite, root=tmp_path).key
    unused.write_text("2")
    assert planned(suite, root=tmp_path).key == before
    for file in (helper, rows, task):
        file.write_text(file.read_text() + "\n# 2")
        now = planned(suite, root=tmp_path).key
        assert now != before, file
        before = now


@pytest.mark.parametrize(("data", "found"), DATA[1::2])  # 47 changes; test_task_files has every form
def test_a_change_of_anything_that_a_task_reaches_measures_anew(tmp_path, data, found):
    task = write_task(tmp_path / "tasks", data)
    suite = Suite(name="quiz", asks=(LmEvalTask(str(task)),), scorer=score)
    before = planned(suite, root=tmp_path).key
    for name in sorted(ALWAYS | found):
        file = task.parent / name
        text = file.read_text()
        file.write_text("\n" + text[:-1])  # as long as before, as a reversed answer key is
        assert planned(suite, root=tmp_path).key != before, name
        file.write_text(text)


def test_a_key_holds_the_tokens_of_its_scale_and_no_others():
    def key(**tokens):
        return planned(dataclasses.replace(SUITE, asks=(Generate(**tokens),))).key  # at mini scale

    assert key(max_new_tokens=512, mini=32) == key(max_new_tokens=32) == key(max_new_tokens=64, mini=32, small=16)
    assert key(max_new_tokens=32, mini=16) != key(max_new_tokens=32)
