"""Chat templates: which tokens carry loss, and what a prompt looks like."""

import pytest

pytest.importorskip("transformers")

from harness.errors import DataError, RecipeError
from harness.training.shared.tokens import IGNORED, TEMPLATES, conversation_tokens, packed_blocks, train_tokenizer, use_training_template

TALK = [{"role": "user", "content": "How far?"}, {"role": "assistant", "content": "Two miles."}]


@pytest.fixture
def tokenizer():
    return train_tokenizer(["How far? Two miles. " * 20], vocabulary_size=300, context_length=64)


def test_only_the_assistants_tokens_carry_loss(tokenizer):
    [row], cut = conversation_tokens([{"messages": TALK, "origin": "t:1"}], tokenizer, 64)
    learnt = [token for token in row["labels"] if token != IGNORED]
    assert tokenizer.decode(learnt) == "Two miles.<|im_end|>"
    assert cut == 0


def test_every_assistant_turn_carries_loss(tokenizer):
    [row], _ = conversation_tokens([{"messages": TALK * 2, "origin": "t:1"}], tokenizer, 200)
    assert tokenizer.decode([t for t in row["labels"] if t != IGNORED]) == "Two miles.<|im_end|>" * 2


def test_cut_rows_are_counted(tokenizer):
    _, cut = conversation_tokens([{"messages": TALK, "origin": "t:1"}], tokenizer, 24)
    assert cut == 1


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
    [row], _ = conversation_tokens([{"messages": TALK, "origin": "t:1"}], tokenizer, 400)
    assert tokenizer.decode([t for t in row["labels"] if t != IGNORED]) == "Two miles.<|eot_id|>"


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
        [row], _ = conversation_tokens([{"messages": talk, "origin": "t:1"}], tokenizer, 400)
        assert tokenizer.decode([t for t in row["labels"] if t != IGNORED]) == "Two miles.<|endoftext|>"


def test_blocks_hold_all_documents_each_ended(tokenizer):
    blocks = packed_blocks(["How far?"] * 40, tokenizer, 16)
    assert {len(block) for block in blocks} == {16}
    end = tokenizer.eos_token_id
    one = [*tokenizer("How far?")["input_ids"], end]
    assert [t for block in blocks for t in block][: 2 * len(one)] == one * 2


def test_text_shorter_than_a_block_is_an_error(tokenizer):
    with pytest.raises(DataError, match="less than one block of 4,096"):
        packed_blocks(["How far?"], tokenizer, 4096)
