"""All keys of one project: worked out once, at one scale, and anew for another."""

import dataclasses
from pathlib import Path

import pytest

from harness import Dataset, Embedded, Files, Mix, Recipe, Sample, Suite, Variant
from harness.data.reading.rows import Access
from harness.errors import DataError
from harness.files import FileDigests
from harness.fingerprint.keys import Keys
from tests.fingerprint.stages import FACTS, FINETUNE, PRETRAIN, keys_of, subject

BOTH = Dataset(name="both", mini=Embedded("facts", text="statement"), full=Files("facts.jsonl"))


def test_a_subject_is_fingerprinted_by_its_last_stage():
    keys, tuned = keys_of(), subject([PRETRAIN, FINETUNE])
    chain = keys.chain(tuned)
    assert [planned.kind for planned in chain] == ["pretrain", "finetune"]
    assert keys.last(tuned) is chain[-1]
    assert keys.fingerprint(tuned) == chain[-1].key


def test_each_chain_and_evaluation_is_worked_out_once():
    keys, tuned = keys_of(), subject([PRETRAIN, FINETUNE])
    suite = Suite(name="look", dataset=FACTS, to_sample=lambda row: Sample(id=row["id"]), scorer=lambda s, o: {})
    assert keys.chain(tuned) is keys.chain(tuned)
    assert keys.evaluation(suite, tuned) is keys.evaluation(suite, tuned)
    assert keys.evaluation(suite, tuned).checkpoint is keys.last(tuned)


def test_suites_are_asked_for_only_where_a_key_depends_on_them_all():
    def never():
        raise AssertionError("the suites were read")

    suite = Suite(name="look", dataset=FACTS, to_sample=lambda row: Sample(id=row["id"]), scorer=lambda s, o: {})
    keys_of(suites=never).evaluation(suite, subject(base="org/model"))


def test_keys_cannot_be_altered():
    with pytest.raises(dataclasses.FrozenInstanceError):
        keys_of().pin = True


def test_another_scale_has_keys_of_its_own(tmp_path):
    (tmp_path / "facts.jsonl").write_text('{"text": "one"}\n')
    mini = Keys(tmp_path, Access("mini", tmp_path), FileDigests(None))
    full = mini.at("full")
    rows = BOTH.rows()
    assert (mini.access.scale, full.access.scale) == ("mini", "full")
    assert full.files is mini.files, "what was digested stays known"
    assert mini.rows(rows, "mini") == full.rows(rows, "mini") != mini.rows(rows, "full")


def test_pinned_keys_differ_only_in_what_they_ask_of_the_hub():
    keys = keys_of()
    pinned = keys.pinned()
    assert (keys.pin, pinned.pin) == (False, True)
    assert pinned.fingerprint(subject([PRETRAIN])) == keys.fingerprint(subject([PRETRAIN]))


def test_all_stages_of_all_subjects_are_gathered_over_all_seeds():
    ground = subject([PRETRAIN], "ground")
    tuned = subject([FINETUNE], base=ground)
    keys = keys_of()
    found = keys.of_all([ground, tuned], [0, 1])
    expected = {keys.fingerprint(s) for s in (ground, ground.with_seed(1), tuned, tuned.with_seed(1))}
    assert found == expected
    assert keys_of().of_all([tuned], [0]) == {keys.fingerprint(ground), keys.fingerprint(tuned)}


def test_the_keys_of_a_scale_whose_data_is_not_at_hand_cannot_be_known(tmp_path):
    variant = Variant("full", base="org/model", scale="full")
    full = Recipe(name="alpha", stages=[dataclasses.replace(FINETUNE, data=Mix(BOTH))], variants=[variant])["full"]
    keys = keys_of(tmp_path, tmp_path)
    with pytest.raises(DataError, match=r"facts\.jsonl does not exist"):
        keys.of_all([full], [0])
    planning = dataclasses.replace(keys, without_data=True)
    assert planning.of_all([full], [0])


def test_rows_are_keyed_with_the_code_that_reads_them():
    files = FileDigests(None)
    before = Keys(Path(), Access("mini"), files).rows(FACTS.rows(), "mini")
    key = next(key for key in files.known if key.endswith("data/reading/rows.py"))
    files.learn(key, [*files.known[key][:2], "other"])
    assert Keys(Path(), Access("mini"), files).rows(FACTS.rows(), "mini") != before
