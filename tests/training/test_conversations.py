"""Rows of conversations as token ids and labels: what is cut, what is counted, and what is refused."""

import pytest

pytest.importorskip("transformers")

from harness.errors import DataError, RecipeError
from harness.training.finetuning.conversations import check_template, conversation_tokens, endless
from harness.training.pretraining.tokenizer import train_tokenizer
from harness.training.shared.packing import IGNORED
from harness.training.shared.templates import CHATML
from tests.odd_tokenizers import sentencepiece_like

TALK = [{"role": "user", "content": "How far?"}, {"role": "assistant", "content": "Two miles."}]


@pytest.fixture
def tokenizer():
    return train_tokenizer(["How far? Two miles. " * 20], vocabulary_size=300, context_length=64)


def learnt(encoded, tokenizer):
    """The text of the one row's tokens that carry loss."""
    [row] = encoded.rows
    return tokenizer.decode([token for token in row["labels"] if token != IGNORED])


def test_only_the_assistants_tokens_carry_loss(tokenizer):
    encoded = conversation_tokens([{"messages": TALK, "origin": "t:1"}], tokenizer, 64)
    assert learnt(encoded, tokenizer) == "Two miles.<|im_end|>"
    assert encoded.cut == 0


def test_every_assistant_turn_carries_loss(tokenizer):
    encoded = conversation_tokens([{"messages": TALK * 2, "origin": "t:1"}], tokenizer, 200)
    assert learnt(encoded, tokenizer) == "Two miles.<|im_end|>" * 2


def test_cut_rows_are_counted(tokenizer):
    encoded = conversation_tokens([{"messages": TALK, "origin": "t:1"}], tokenizer, 24)
    assert encoded.cut == 1
    assert {len(column) for row in encoded.rows for column in row.values()} == {24}


def test_plain_text_cannot_be_fine_tuned_on(tokenizer):
    with pytest.raises(DataError, match="t:7: plain text"):
        conversation_tokens([{"text": "no turns", "origin": "t:7"}], tokenizer, 64)


def test_a_base_without_a_chat_template_is_refused(tokenizer):
    tokenizer.chat_template = None
    with pytest.raises(RecipeError, match="mine-3b: the base's tokenizer has no chat template"):
        check_template(tokenizer, "base", "mine-3b")


def test_a_recipe_that_declares_chatml_gets_it(tokenizer):
    tokenizer.chat_template = None
    check_template(tokenizer, "chatml", "mine-3b")
    assert tokenizer.chat_template == CHATML


def test_chatml_turns_end_with_a_token_that_the_base_has():
    tokenizer = sentencepiece_like()
    check_template(tokenizer, "chatml", "mine-3b")
    encoded = conversation_tokens([{"messages": TALK, "origin": "t:1"}], tokenizer, 400)
    [row] = encoded.rows
    assert [label for label in row["labels"] if label != IGNORED][-1] == tokenizer.eos_token_id
    assert "<|im_end|>" not in tokenizer.chat_template


def test_chatml_without_any_token_to_end_a_turn_is_refused():
    tokenizer = sentencepiece_like()
    tokenizer.eos_token = None
    with pytest.raises(RecipeError, match=r"mine-3b: .* neither <\|im_end\|> nor an end of a sequence"):
        check_template(tokenizer, "chatml", "mine-3b")


def test_a_base_keeps_its_chat_template(tokenizer):
    tokenizer.chat_template = "{% for m in messages %}{{ '<|im_start|>' + m['content'] }}{% endfor %}"
    before = tokenizer.chat_template
    check_template(tokenizer, "base", "mine-3b")
    assert tokenizer.chat_template == before


def test_a_tokenizer_that_does_not_say_where_its_tokens_are_is_refused(tokenizer, monkeypatch):
    monkeypatch.setattr(type(tokenizer), "is_fast", False)
    with pytest.raises(RecipeError, match="does not say where its tokens are"):
        check_template(tokenizer, "base", "mine-3b")


def test_a_row_that_the_template_refuses_is_named(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('no system role here') }}"
    with pytest.raises(
        DataError, match=r"t:1: the model's chat template refuses these turns \(user, assistant\): no system"
    ):
        conversation_tokens([{"messages": TALK, "origin": "t:1"}], tokenizer, 64)


def test_rows_of_which_only_the_last_answer_is_trained_on_are_counted(tokenizer):
    tokenizer.chat_template = (  # as some do with reasoning: earlier answers are rendered otherwise than the last
        "{% for m in messages %}{{ '<|im_start|>' + m['role'] + ' ' }}{% if loop.last and m['role'] == 'assistant' %}"
        "{{ 'Well. ' }}{% endif %}{{ m['content'] + '<|im_end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant ' }}{% endif %}"
    )
    rows = [{"messages": TALK * times, "origin": f"t:{times}"} for times in (1, 2, 3)]
    encoded = conversation_tokens(rows, tokenizer, 400)
    assert encoded.last_only == 2
    texts = [[token for token in row["labels"] if token != IGNORED] for row in encoded.rows]
    assert [tokenizer.decode(text) for text in texts] == ["Well. Two miles.<|im_end|>"] * 3


def test_rows_whose_words_hold_a_control_token_are_counted(tokenizer):
    quoting = [
        {"role": "user", "content": f"What is {tokenizer.eos_token}?"},
        {"role": "assistant", "content": "An end."},
    ]
    rows = [{"messages": turns, "origin": "t:1"} for turns in (TALK, quoting)]
    assert conversation_tokens(rows, tokenizer, 400).quoting == 1


def test_rows_that_end_no_answer_are_counted(tokenizer):
    stops = {tokenizer.convert_tokens_to_ids("<|im_end|>"), tokenizer.eos_token_id}
    rows = [{"messages": TALK, "origin": "t:1"}]
    assert endless(conversation_tokens(rows, tokenizer, 400).rows, stops, 400) == 0
    tokenizer.chat_template = "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    encoded = conversation_tokens(rows, tokenizer, 400).rows
    assert endless(encoded, stops, 400) == 1
    assert endless(encoded, stops, len(encoded[0]["labels"])) == 0, (
        "a row that is cut has lost its end, which is counted"
    )
