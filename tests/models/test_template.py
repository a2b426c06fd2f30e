"""Chat templates rendered the same on every day, for training, measuring and chat alike."""

import pytest

published = pytest.importorskip("trl").chat_template_utils

from harness.errors import DataError
from harness.models.loading.template import on_the_frozen_day, render
from harness.training.pretraining.tokenizer import train_tokenizer

TALK = [{"role": "user", "content": "How far?"}]


@pytest.fixture
def tokenizer():
    return train_tokenizer(["How far? Two miles. " * 20], vocabulary_size=300, context_length=64)


def test_a_template_that_asks_for_the_date_always_gets_one_day(tokenizer):
    tokenizer.chat_template = published.llama3_2_chat_template
    assert "Today Date: 26 Jul 2024\n" in render(TALK, tokenizer)
    tokenizer.chat_template = "{{ strftime_now('%Y-%m-%d') }}"
    assert render(TALK, tokenizer) == "2024-07-26"


def test_an_exported_template_renders_that_day_by_itself(tokenizer):
    tokenizer.chat_template = published.llama3_2_chat_template
    here = render(TALK, tokenizer, ask=True)
    tokenizer.chat_template = on_the_frozen_day(published.llama3_2_chat_template)
    assert tokenizer.apply_chat_template(TALK, tokenize=False, add_generation_prompt=True) == here
    assert on_the_frozen_day('{{ strftime_now("%d %b %Y") }}') == "{{ '26 Jul 2024' }}"


def test_a_template_without_a_date_is_exported_as_it_is(tokenizer):
    assert on_the_frozen_day(tokenizer.chat_template) == tokenizer.chat_template


def test_a_question_is_followed_by_the_head_of_its_answer(tokenizer):
    assert render(TALK, tokenizer, ask=True) == render(TALK, tokenizer) + "<|im_start|>assistant\n"


@pytest.mark.parametrize(
    "template", ["{{ raise_exception('no turns today') }}", "{% if %}", "{{ messages[9]['content'] + 1 }}"]
)
def test_a_template_that_cannot_render_is_an_error_with_its_words_and_the_roles(tokenizer, template):
    tokenizer.chat_template = template
    with pytest.raises(DataError, match=r"the model's chat template refuses these turns \(user\): \w+"):
        render(TALK, tokenizer)
