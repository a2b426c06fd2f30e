"""Chat templates: which tokens carry loss, and what a prompt looks like."""

import pytest

pytest.importorskip("transformers")

from harness.errors import DataError, RecipeError
from harness.training.finetuning.conversations import conversation_tokens, use_training_template
from harness.training.pretraining.tokenizer import train_tokenizer
from harness.training.shared.packing import IGNORED
from harness.training.shared.templates import TEMPLATES

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


def test_a_template_without_generation_marks_is_refused(tokenizer):
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    with pytest.raises(RecipeError, match="without generation marks"):
        use_training_template(tokenizer, "base", "mine-3b")


def test_llama_template_freezes_the_date_and_marks_the_answer(tokenizer):
    tokenizer.chat_template = (TEMPLATES / "llama3.jinja").read_text().strip()
    text = tokenizer.apply_chat_template(TALK, tokenize=False)
    assert text.startswith(
        "<|endoftext|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
        "Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHow far?<|eot_id|>"
    )
    assert text.endswith("<|start_header_id|>assistant<|end_header_id|>\n\nTwo miles.<|eot_id|>")
    encoded = conversation_tokens([{"messages": TALK, "origin": "t:1"}], tokenizer, 400)
    assert learnt(encoded, tokenizer) == "Two miles.<|eot_id|>"


def test_llama_template_is_taken_for_a_llama_base(tokenizer):
    tokenizer.chat_template = "{{ '<|start_header_id|>' }}"
    use_training_template(tokenizer, "base", "mine-3b")
    assert "{%- generation %}" in tokenizer.chat_template


ZEPHYR = (  # as TinyLlama's tokenizer has it
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}"
    "\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}"
    "\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}"
    "\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
)


@pytest.mark.parametrize("prompt", [True, False])
def test_the_zephyr_template_renders_as_the_models_own(tokenizer, prompt):
    talk = [{"role": "system", "content": "Be brief."}, *TALK][: 2 if prompt else 3]
    tokenizer.chat_template = ZEPHYR
    own = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=prompt)
    use_training_template(tokenizer, "base", "mine-1.1b")
    assert tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=prompt) == own
    if not prompt:
        encoded = conversation_tokens([{"messages": talk, "origin": "t:1"}], tokenizer, 400)
        assert learnt(encoded, tokenizer) == "Two miles.<|endoftext|>"
