"""Digests of values, files and code: what changes them, and what must not."""

import dataclasses
import hashlib
import os
import re
from pathlib import Path

import pytest

from harness import (
    Architecture,
    Dataset,
    Embedded,
    Files,
    Finetune,
    Fresh,
    Lora,
    Mix,
    Pretrain,
    Quantization,
    Recipe,
    Variant,
)
from harness.data.reading.rows import Access
from harness.fingerprint.values import FileDigests, code_tree_digest, differences, digest, function_digest, plain
from harness.fingerprint.planning import Planner

SHAPE = Architecture(
    hidden_size=64, layers=2, heads=2, key_value_heads=2, intermediate_size=128, vocabulary_size=512, context_length=64
)
FACTS = Dataset(name="facts", mini=Embedded("facts", text="statement"))
PRETRAIN = Pretrain(data=Mix(FACTS.rows(mini=50)), learning_rate=6e-4, epochs=1, effective_batch_size=8)
FINETUNE = Finetune(
    data=Mix(FACTS.rows(mini=20)), learning_rate=2e-4, epochs=3, effective_batch_size=16,
    adapter=Lora(rank=16), quantization=Quantization(),
)  # fmt: skip
WATCHED = ("held_out", "eval_steps")  # looked at while training; cannot change the weights
OTHER_VALUES = {  # another value for every field of a stage
    "learning_rate": 1e-4, "min_learning_rate": 1e-6, "warmup_steps": 7, "schedule": "linear", "epochs": 2,
    "effective_batch_size": 4, "weight_decay": 0.01, "betas": (0.8, 0.9), "epsilon": 1e-6, "max_grad_norm": 0.5,
    "precision": "float32", "optimizer": "adamw_8bit", "adapter": Lora(rank=8), "quantization": None, "max_length": 512, "template": "chatml",
    "data": Mix(FACTS.rows(mini=21)),
}  # fmt: skip


def chain(stages, planner=None, root=Path(), name="alpha", **variant):
    """The keys of a recipe's stages."""
    made = Recipe(name=name, stages=stages, variants=[Variant("mini", **{"base": SHAPE, "scale": "mini"} | variant)])
    planner = planner or Planner(Access("mini"), FileDigests(None), root)
    return [planned.key for planned in planner.chain(made["mini"])]


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Finetune) if f.name not in WATCHED])
def test_changing_any_field_changes_the_fingerprint(field):
    changed = dataclasses.replace(FINETUNE, **{field: OTHER_VALUES[field]})
    before, after = chain([PRETRAIN, FINETUNE]), chain([PRETRAIN, changed])
    assert before[0] == after[0], "the pretraining is not repeated"
    assert before[1] != after[1]


def test_a_changed_pretraining_changes_every_later_stage():
    before = chain([PRETRAIN, FINETUNE])
    after = chain([dataclasses.replace(PRETRAIN, warmup_steps=1), FINETUNE])
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_seed_micro_batch_and_shape_change_the_fingerprint():
    variants = [{}, {"seed": 1}, {"micro_batch_size": 4}, {"base": dataclasses.replace(SHAPE, layers=3)}]
    assert len({chain([PRETRAIN], **variant)[-1] for variant in variants}) == 4


def test_name_saving_and_held_out_rows_leave_the_fingerprint_alone():
    watched = dataclasses.replace(FINETUNE, held_out=Mix(FACTS.rows(mini=20).held_out(5, mini=5)), eval_steps=7)
    renamed = Mix(dataclasses.replace(FACTS, name="renamed").rows(mini=20))
    same = chain([PRETRAIN, FINETUNE])
    assert chain([PRETRAIN, watched]) == same
    assert chain([PRETRAIN, FINETUNE], name="beta", save_steps=3) == same
    assert chain([PRETRAIN, dataclasses.replace(FINETUNE, data=renamed)]) == same


def test_the_same_bytes_at_another_path_are_the_same_data(tmp_path):
    def key(folder, name, text):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text(text)
        rows = Dataset(name="rows", mini=Files(name))
        planner = Planner(Access("mini", tmp_path / folder), FileDigests(None), tmp_path)
        return chain([dataclasses.replace(FINETUNE, data=Mix(rows))], planner, base="org/model")[-1]

    assert key("a", "rows.jsonl", '{"text": "one"}\n') == key("b", "others.jsonl", '{"text": "one"}\n')
    assert key("a", "rows.jsonl", '{"text": "one"}\n') != key("c", "rows.jsonl", '{"text": "two"}\n')


def test_bytes_of_a_local_base_model_count(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    before = chain([FINETUNE], root=tmp_path, base="model")[-1]
    (tmp_path / "model" / "config.json").write_text("[]")
    assert chain([FINETUNE], root=tmp_path, base="model")[-1] != before


def test_fresh_weights_share_the_tokenizer_but_not_the_key_of_their_model():
    trained = Recipe(name="a", stages=[PRETRAIN], variants=[Variant("mini", base=SHAPE, scale="mini")])["mini"]
    fresh = Recipe(name="b", variants=[Variant("mini", base=Fresh(trained), scale="mini")])["mini"]
    planner = Planner(Access("mini"), FileDigests(None), Path())
    (planned,) = planner.chain(fresh)
    assert planned.spec["data"] == planner.chain(trained)[0].spec["data"]
    assert planned.key != planner.fingerprint(trained)
    assert not planned.trains


def test_the_digest_is_sha256_of_sorted_json():
    text = '{"a":[1,"\u00e9"],"b":null}'
    assert digest({"b": None, "a": (1, "\u00e9")}) == hashlib.sha256(text.encode()).hexdigest()


def test_a_value_without_a_fixed_text_is_refused():
    with pytest.raises(TypeError, match="function cannot be fingerprinted"):
        plain({"scorer": lambda row: row})


def test_differences_name_the_leaves_that_differ():
    there = {"settings": {"learning_rate": 3e-4, "betas": [0.9, 0.95]}, "seed": 0}
    here = {"settings": {"learning_rate": 2e-4, "betas": [0.9, 0.99]}, "seed": 0, "code": "x"}
    assert list(differences(there, here)) == [
        ("settings.learning_rate", 3e-4, 2e-4),
        ("settings.betas[1]", 0.95, 0.99),
        ("code", None, "x"),
    ]


def test_comments_docstrings_and_layout_are_no_code():
    bare = "def f(x):\n    return x + 1\n"
    told = '"""Module."""\n# why\ndef f(x):\n    """What."""\n\n    return (x +\n        1)  # because\n'
    assert code_tree_digest(bare) == code_tree_digest(told)
    assert code_tree_digest(bare) != code_tree_digest(bare.replace("1", "2"))


def test_a_file_is_hashed_again_when_it_changes_and_remembered_across_sessions(tmp_path):
    file, memory = tmp_path / "rows.jsonl", tmp_path / "digests.json"
    file.write_text("one")
    digests = FileDigests(memory)
    assert digests.of(file) == hashlib.sha256(b"one").hexdigest()
    digests.remember()
    assert FileDigests(memory).known == digests.known
    file.write_text("three")
    assert FileDigests(memory).of(file) == hashlib.sha256(b"three").hexdigest()
    file.write_text("other")  # the same size; only the time differs
    os.utime(file, ns=(1, 1))
    assert digests.of(file) == hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize("text", ['{"bytes:', "[]"])
def test_a_damaged_memory_of_digests_is_only_forgotten(tmp_path, text):
    (tmp_path / "digests.json").write_text(text)
    assert FileDigests(tmp_path / "digests.json").known == {}


FACTOR, PATTERN = 2, re.compile("a+")


def scorer(value):
    return _inner(value)


def _inner(value):
    return value * FACTOR if PATTERN.match("a") else 0


def test_a_function_is_digested_with_all_it_reaches(monkeypatch):
    def fresh_digest():
        function_digest.cache_clear()
        return function_digest(scorer)

    before = fresh_digest()
    assert fresh_digest() == before
    monkeypatch.setitem(globals(), "FACTOR", 3)
    with_factor = fresh_digest()
    monkeypatch.setitem(globals(), "PATTERN", re.compile("b+"))
    assert len({before, with_factor, fresh_digest()}) == 3
