"""Questions and answers as token ids: where an answer begins, and what is tokenized once."""

import pytest

pytest.importorskip("transformers")

from harness.models.answering.prompts import Prompts
from harness.training.pretraining.tokenizer import train_tokenizer
from tests.odd_tokenizers import sentencepiece_like

TEXTS = ["How far? Two miles. " * 20]


def trained():
    return train_tokenizer(TEXTS, vocabulary_size=300, context_length=64)


def test_an_answer_is_tokenized_as_it_follows_its_prompt():
    tokenizer = sentencepiece_like()
    alone = tokenizer.convert_ids_to_tokens(tokenizer("owl", add_special_tokens=False)["input_ids"])
    assert alone == ["▁owl"]  # as if a blank stood before it
    prompts = Prompts(tokenizer)
    [ids] = prompts.answer_ids(["a bird?\n"], ["owl"])
    assert tokenizer.convert_ids_to_tokens(ids) == ["owl"]
    assert prompts.answer_ids(["ow"], ["l"]) == [[]]  # it melts into the prompt's last token


def test_a_tokenizer_without_a_chat_template_gets_plain_text():
    prompts = Prompts(sentencepiece_like())
    assert prompts.render("a bird?", None) == "a bird?\n"
    assert prompts.render("a bird?", "Name") == "Name\n\na bird?\n"


def test_tokenizers_that_tokenize_alike_have_one_digest_whatever_their_chat_template():
    one, other = Prompts(trained()), trained()
    other.chat_template = "{{ messages[0]['content'] }}"
    other = Prompts(other)
    assert one.tokenizer_digest == other.tokenizer_digest
    assert one.template_digest != other.template_digest
    smaller = Prompts(train_tokenizer(TEXTS, vocabulary_size=262, context_length=64))
    assert smaller.tokenizer_digest != one.tokenizer_digest


def test_equal_texts_are_tokenized_once():
    prompts = Prompts(trained())
    first, again = prompts.ids(["How far?", "How far?"])
    assert first is again
    assert prompts.ids(["How far?"])[0] is first


def test_a_conversation_is_rendered_turn_by_turn():
    turns = [
        {"role": "user", "content": "a bird?"},
        {"role": "assistant", "content": "owl"},
        {"role": "user", "content": "another?"},
    ]
    plain, chat = Prompts(sentencepiece_like()), trained()
    assert plain.render(turns, "Name") == "Name\n\na bird?\nowl\nanother?\n"
    assert plain.render(turns[:1], None) == plain.render("a bird?", None)
    chat.chat_template = (
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    rendered = Prompts(chat).render(turns, "Name")
    assert rendered == "<system>Name<user>a bird?<assistant>owl<user>another?<assistant>"
