"""The model worker's engine, against plain transformers and by hand."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SuiteError
from harness.models.answering.engine import rolling_windows
from harness.models.answering.prompts import Prompts
from tests.odd_tokenizers import sentencepiece_like

PROMPTS = ["Why do leaves fall?", "Name a bird.", "How far is the moon from here, in miles or otherwise?"]


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


def test_answers_end_at_the_ends_of_turns_that_the_vocabulary_knows(engine):
    ends = {engine.tokenizer.convert_ids_to_tokens(number) for number in engine.stop_ids}
    assert ends == {"<|endoftext|>", "<|im_end|>"}


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


@given(st.integers(0, 60), st.integers(1, 20))
def test_every_token_of_a_document_is_a_target_once_and_no_window_exceeds_the_context(length, context):
    windows = rolling_windows(list(range(length)), -1, context)
    assert [token for _, target in windows for token in target] == list(range(length))
    stream = [-1, *range(length)]
    for before, target in windows:
        whole = [*before, *target]
        assert before
        assert target
        assert len(whole) <= context + 1  # nothing is computed on the last token
        assert whole == stream[stream.index(whole[0]) :][: len(whole)]


def test_a_prompt_longer_than_the_context_is_an_error_naming_the_sample(engine):
    ids = engine.prompt_ids("word " * 90, None)
    with pytest.raises(SuiteError, match="sample long-1: .* exceed the model's context of 96"):
        engine.generate(["long-1"], [ids], max_new_tokens=4)


def test_an_answer_that_melts_into_its_prompt_is_named(engine, monkeypatch):
    monkeypatch.setattr(engine.prompts, "render", lambda prompt, system: "ow")
    monkeypatch.setattr(
        engine.prompts,
        "answer_ids",
        lambda rendered, answers: Prompts(sentencepiece_like()).answer_ids(rendered, answers),
    )
    with pytest.raises(SuiteError, match="sample m: 'l' has no tokens of its own after the prompt"):
        engine.answer_loglikelihoods(["m"], ["x"], ["l"])
