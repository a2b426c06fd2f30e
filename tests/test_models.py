"""The model worker's engine, against plain transformers, by hand and against lm-eval's own hf model."""

import json
import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lm_eval")

from harness.data.reading.rows import EMBEDDED
from harness.errors import StoreError, SuiteError
from harness.models.answering.engine import Engine
from harness.models.answering.lm_eval_tasks import run_task
from harness.models.loading.load import load_model
from harness.models.answering.parity import compare_copies
from harness.models.answering.probe import probe
from harness.models.answering.prompts import Prompts
from tests.tiny_models import saved_llama

PROMPTS = ["Why do leaves fall?", "Name a bird.", "How far is the moon from here, in miles or otherwise?"]


@pytest.fixture(scope="module")
def model_at(tmp_path_factory):
    """A two-layer model with random weights, large enough to have opinions, and a byte-level tokenizer."""
    return saved_llama(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def engine(model_at):
    return Engine(model_at, "cpu", "float32")


def test_padding_does_not_change_completions(engine):
    ids = [engine.prompt_ids(prompt, None) for prompt in PROMPTS]
    together = engine.generate(PROMPTS, ids, max_new_tokens=12)
    alone = [engine.generate([prompt], [one], max_new_tokens=12)[0] for prompt, one in zip(PROMPTS, ids, strict=True)]
    assert together == alone


def test_a_system_prompt_stands_before_the_question(engine):
    text = engine.tokenizer.decode(engine.prompt_ids("Name a bird.", "Be brief."))
    assert text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nName a bird.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_answer_loglikelihood_is_the_sum_over_its_own_tokens(engine):
    prompt = engine.prompt_ids("Name a bird.", None)
    answer = "A small owl."
    target = engine.tokenizer(answer)["input_ids"]
    logits = engine.model(torch.tensor([[*prompt, *target]])).logits[0].float().log_softmax(-1)
    by_hand = -sum(float(logits[len(prompt) - 1 + i, token]) for i, token in enumerate(target))
    [found] = engine.answer_loglikelihoods(["s"], ["Name a bird."], [answer])
    assert found["nll"] == pytest.approx(by_hand, abs=1e-3)
    assert (found["tokens"], found["words"], found["bytes"]) == (len(target), 3, 12)


def test_the_likelihood_of_each_choice_is_that_of_the_answer_alone(engine):
    prompt, choices = "Name a bird.", ("owl", "a small brown owl", "A kite.")
    [found] = engine.choice_loglikelihoods(["s"], [prompt], [choices])
    alone = [-engine.answer_loglikelihoods(["s"], [prompt], [choice])[0]["nll"] for choice in choices]
    assert found["loglikelihoods"] == pytest.approx(alone, abs=1e-3)
    per_character = [value / len(choice) for value, choice in zip(alone, choices, strict=True)]
    assert found["chosen"] == per_character.index(max(per_character))


def test_a_choice_without_tokens_or_beyond_the_context_is_an_error_naming_the_sample(engine):
    with pytest.raises(SuiteError, match="sample q-7: a choice is empty"):
        engine.choice_loglikelihoods(["q-7"], ["Name a bird."], [("owl", "")])
    with pytest.raises(SuiteError, match="sample q-7: .* target tokens exceed the model's context of 96"):
        engine.choice_loglikelihoods(["q-7"], ["Name a bird."], [("owl", "owl " * 90)])


def test_a_copy_in_the_same_numbers_agrees_wholly_and_fewer_bits_agree_less(engine, model_at):
    prompts = [engine.prompt_ids(prompt, None) for prompt in PROMPTS[:3]]
    forms = ["bfloat16"] * 3 + ["int8"] * 3 + ["nf4"] * 3
    found = compare_copies(Engine(model_at, "cpu", "bfloat16"), PROMPTS[:3] * 3, prompts * 3, forms, 6)
    assert [answer["agreement"] for answer in found[:3]] == [1.0] * 3
    divergence = [sum(answer["divergence"] for answer in found[i : i + 3]) for i in (0, 3, 6)]
    assert divergence[0] == pytest.approx(0.0, abs=1e-6)
    assert 0 < divergence[1] < divergence[2]


def test_the_largest_activation_is_the_largest_that_any_layer_put_out(engine):
    ids = engine.prompt_ids("Name a bird.", None)
    seen = []
    hooks = [
        module.register_forward_hook(
            lambda _m, _i, out: seen.append(float((out[0] if isinstance(out, tuple) else out).abs().max()))
        )
        for module in engine.model.modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Embedding)
    ]
    engine.model(torch.tensor([ids]), use_cache=False)
    for hook in hooks:
        hook.remove()
    [answer] = probe(engine, ["p"], [ids], 4)
    assert answer["largest_activation"] >= max(seen) > 0


def test_a_document_longer_than_the_context_is_scored_whole(engine):
    text = "The owl sat in the old tree and waited for the rain to stop. " * 8
    ids = engine.tokenizer(text)["input_ids"]
    assert len(ids) > engine.context_length
    stream, by_hand, size = [engine.tokenizer.bos_token_id, *ids], 0.0, engine.context_length
    for start in range(0, len(ids), size):
        end = min(start + size, len(ids))  # the last window reaches back as far as fits
        window = torch.tensor([stream[max(0, end - size) : end + 1]])
        logits = engine.model(input_ids=window[:, :-1]).logits[0].float().log_softmax(-1)
        by_hand -= float(logits.gather(1, window[0, 1:, None])[start - end :].sum())
    [found] = engine.document_loglikelihoods(["d"], [text])
    assert (found["nll"], found["tokens"]) == (pytest.approx(by_hand, rel=1e-5), len(ids))


def test_a_prompt_longer_than_the_context_is_an_error_naming_the_sample(engine):
    ids = engine.prompt_ids("word " * 90, None)
    with pytest.raises(SuiteError, match="sample long-1: .* exceed the model's context of 96"):
        engine.generate(["long-1"], [ids], max_new_tokens=4)


def test_fresh_adapter_equals_base_model(engine, model_at, tmp_path):
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(
        load_model(model_at, device="cpu", dtype="float32"), LoraConfig(r=4, target_modules="all-linear")
    )
    adapted.save_pretrained(tmp_path)
    engine.tokenizer.save_pretrained(tmp_path)
    with_adapter = Engine({"adapter": str(tmp_path), "base": model_at}, "cpu", "float32")
    assert with_adapter.document_loglikelihoods(["d"], PROMPTS[2:]) == engine.document_loglikelihoods(
        ["d"], PROMPTS[2:]
    )


def test_lm_eval_hf_model_gives_the_same_scores(engine, model_at, tmp_path):
    from pathlib import Path

    import lm_eval
    from lm_eval.tasks import TaskManager
    from lm_eval.tasks._yaml_loader import load_yaml

    rows = [json.loads(line) for line in (EMBEDDED / "quiz.jsonl").read_text().splitlines()[:40]]
    ours = run_task(engine, "openbookqa", ["acc", "acc_norm", "acc_mutual_info"], rows, tmp_path)
    config = load_yaml(Path(lm_eval.__file__).parent / "tasks" / "openbookqa" / "openbookqa.yaml")
    config |= {
        "dataset_path": "json", "dataset_name": None, "training_split": None, "validation_split": None,
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "openbookqa.rows.jsonl")}},
    }  # fmt: skip
    theirs = lm_eval.simple_evaluate(
        model="hf", model_args={"pretrained": model_at["path"], "dtype": "float32"}, tasks=[config],
        device="cpu", batch_size=8, bootstrap_iters=0, task_manager=TaskManager(include_defaults=False),
    )["results"]["openbookqa"]  # fmt: skip
    assert sum(row["acc"] for row in ours) / 40 == pytest.approx(theirs["acc,none"])
    assert sum(row["acc_norm"] for row in ours) / 40 == pytest.approx(theirs["acc_norm,none"])
    for row, question in zip(ours, rows, strict=True):
        choices = question["choices"]["text"]
        assert len(row["loglikelihoods"]) == len(choices)
        assert row["acc"] == float(
            row["loglikelihoods"].index(max(row["loglikelihoods"])) == "ABCD".index(question["answerKey"])
        )


def test_probe_finds_a_weight_that_is_not_finite(model_at):
    broken = Engine(model_at, "cpu", "float32")
    with torch.no_grad():
        next(broken.model.parameters())[5, 0] = math.nan
    [answer] = probe(broken, ["p"], [broken.prompt_ids("Name a bird.", None)], 4)
    assert answer["finite_weights"] is False


def test_probe_samples_from_a_sound_model(engine):
    [answer] = probe(engine, ["p"], [engine.prompt_ids("Name a bird.", None)], 4)
    assert answer["finite_weights"]
    assert answer["finite_logits"]
    assert answer["sampled"]


def test_a_folder_that_holds_no_model_is_named(tmp_path):
    with pytest.raises(StoreError, match=f"directory {tmp_path} cannot be loaded"):
        load_model({"path": str(tmp_path)}, device="cpu", dtype="float32")


def sentencepiece_like():
    """A tokenizer that marks the beginning of a text as that of a word, as Llama 2's and TinyLlama's do."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    pieces = [
        "<unk>",
        "<s>",
        "</s>",
        "▁",
        "▁owl",
        "owl",
        "▁a",
        "a",
        "?",
        "▁bird",
        "b",
        "i",
        "r",
        "d",
        "o",
        "w",
        "l",
        "\n",
        ":",
        "▁Name",
    ]
    merges = [("o", "w"), ("ow", "l"), ("▁", "owl"), ("▁", "a")]
    vocabulary = {piece: number for number, piece in enumerate([*pieces, "ow"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def test_an_answer_is_tokenized_as_it_follows_its_prompt():
    tokenizer = sentencepiece_like()
    alone = tokenizer.convert_ids_to_tokens(tokenizer("owl", add_special_tokens=False)["input_ids"])
    assert alone == ["▁owl"]  # as if a blank stood before it
    prompts = Prompts(tokenizer)
    [ids] = prompts.answer_ids(["a bird?\n"], ["owl"])
    assert tokenizer.convert_ids_to_tokens(ids) == ["owl"]
    assert prompts.answer_ids(["ow"], ["l"]) == [[]]  # it melts into the prompt's last token


def test_an_answer_that_melts_into_its_prompt_is_named(engine, monkeypatch):
    monkeypatch.setattr(engine.prompts, "render", lambda prompt, system: "ow")
    monkeypatch.setattr(
        engine.prompts,
        "answer_ids",
        lambda rendered, answers: Prompts(sentencepiece_like()).answer_ids(rendered, answers),
    )
    with pytest.raises(SuiteError, match="sample m: 'l' has no tokens of its own after the prompt"):
        engine.answer_loglikelihoods(["m"], ["x"], ["l"])
