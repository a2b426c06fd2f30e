"""The tokenizer of a model trained from scratch."""

import pytest

pytest.importorskip("transformers")

from hypothesis import given
from hypothesis import strategies as st

from harness.training.pretraining.tokenizer import END, train_tokenizer

TEXTS = ["How far? Two miles. " * 20]
LEARNT = train_tokenizer(TEXTS, vocabulary_size=300, context_length=64)


def test_it_has_the_size_asked_for_where_the_text_is_rich_enough():
    from harness.data.reading.rows import EMBEDDED

    texts = (EMBEDDED / "stories.jsonl").read_text().splitlines()[:20]
    assert len(train_tokenizer(texts, vocabulary_size=400, context_length=64)) == 400
    assert len(LEARNT) < 300  # no pair is left to merge


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40).filter(lambda text: "<|" not in text))
def test_any_text_comes_back_from_its_tokens(text):
    ids = LEARNT(text, add_special_tokens=False)["input_ids"]
    assert LEARNT.decode(ids) == text


def test_the_same_texts_give_the_same_tokenizer():
    again = train_tokenizer(TEXTS, vocabulary_size=300, context_length=64)
    assert again.backend_tokenizer.to_str() == LEARNT.backend_tokenizer.to_str()


def test_turns_are_chatml_and_a_text_ends_with_its_own_token():
    talk = [{"role": "user", "content": "How far?"}]
    text = LEARNT.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>user\nHow far?<|im_end|>\n<|im_start|>assistant\n"
    assert (LEARNT.eos_token, LEARNT.bos_token, LEARNT.pad_token) == (END, END, "<|pad|>")
    assert LEARNT("<|im_end|>")["input_ids"] == [LEARNT.convert_tokens_to_ids("<|im_end|>")]
