"""Copies of a checkpoint in fewer bits, token by token beside it."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("bitsandbytes")
pytest.importorskip("peft")

from harness.models.answering import parity
from harness.models.answering.engine import Engine
from harness.models.answering.parity import compare_copies, merged, next_token_logprobs
from tests.tiny_models import saved_adapter

PROMPTS = ["Why do leaves fall?", "Name a bird.", "How far is the moon from here, in miles or otherwise?"]


def test_a_copy_in_the_same_numbers_agrees_wholly_and_fewer_bits_agree_less(engine, model_at, tmp_path):
    prompts = [engine.prompt_ids(prompt, None) for prompt in PROMPTS]
    forms = ["bfloat16"] * 3 + ["int8"] * 3 + ["nf4"] * 3
    found = compare_copies(Engine(model_at, "cpu", "bfloat16"), PROMPTS * 3, prompts * 3, forms, 6, tmp_path)
    assert [answer["agreement"] for answer in found[:3]] == [1.0] * 3
    divergence = [sum(answer["divergence"] for answer in found[i : i + 3]) for i in (0, 3, 6)]
    assert divergence[0] == pytest.approx(0.0, abs=1e-6)
    assert 0 < divergence[1] < divergence[2]


@pytest.mark.parametrize("row_tokens", [1024, 8])
def test_prompts_that_begin_alike_are_computed_together_with_the_same_result(engine, monkeypatch, row_tokens):
    monkeypatch.setattr(parity, "ROW_TOKENS", row_tokens)
    asked = [engine.prompt_ids(prompt, None) for prompt in PROMPTS]
    paths = [(ids, completion) for ids, completion in zip(asked, ([5, 6, 7], [], [8]), strict=True)]
    paths.append((asked[0], [5, 9]))
    together, alone = next_token_logprobs(engine, paths), next_token_logprobs(engine, paths, together=False)
    assert [tuple(one.shape) for one in together] == [(len(own) + 1, alone[0].shape[1]) for _, own in paths]
    for ours, theirs in zip(together, alone, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_whole_weights_stay_where_they_are_and_an_adapter_is_merged_into_its_base(engine, model_at, tmp_path):
    assert merged(model_at, "cpu", tmp_path / "unused", engine.tokenizer) is model_at
    adapted = Engine(saved_adapter(tmp_path / "adapter", model_at), "cpu", "float32")
    whole = Engine(merged(adapted.at, "cpu", tmp_path / "whole", engine.tokenizer), "cpu", "float32")
    theirs, ours, base = (one.document_loglikelihoods(["d"], PROMPTS[2:])[0]["nll"] for one in (adapted, whole, engine))
    assert ours == pytest.approx(theirs, abs=1e-2)
    assert abs(base - theirs) > 1


def test_a_merged_adapter_lies_where_it_was_told_to_and_is_gone_afterwards(model_at, tmp_path, monkeypatch):
    """A whole model's weights: more than a system's folder for temporary files may hold."""
    there, seen = tmp_path / "store", []
    there.mkdir()

    def look(at, device, folder, tokenizer):
        seen.append(folder.parent)
        return merged(at, device, folder, tokenizer)

    monkeypatch.setattr(parity, "merged", look)
    adapted = Engine(saved_adapter(tmp_path / "adapter", model_at), "cpu", "float32")
    ids = adapted.prompt_ids(PROMPTS[0], None)
    compare_copies(adapted, PROMPTS[:1], [ids], ["bfloat16"], 2, there)
    assert seen == [there]
    assert list(there.iterdir()) == []
