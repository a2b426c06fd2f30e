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
    tokenizer.chat_template = "{{ strftime_now('%Y-%m-%d') + messages[0]['content'] }}"
    assert render(TALK, tokenizer) == "2024-07-26How far?"


def test_an_exported_template_renders_that_day_by_itself(tokenizer):
    tokenizer.chat_template = published.llama3_2_chat_template
    here = render(TALK, tokenizer, ask=True)
    tokenizer.chat_template = on_the_frozen_day(published.llama3_2_chat_template)
    assert tokenizer.apply_chat_template(TALK, tokenize=False, add_generation_prompt=True) == here
    assert on_the_frozen_day('{{ strftime_now("%d %b %Y") }}') == "{{ '26 Jul 2024' }}"


@pytest.mark.parametrize(
    "call", ["strftime_now ('%Y')", "strftime_now( format = '%Y' )", 'strftime_now(format="%Y")', "strftime_now('%Y')"]
)
def test_a_date_is_frozen_however_its_call_is_written(tokenizer, call):
    tokenizer.chat_template = "{{ messages[0]['content'] }} {{ " + call + " }}"
    assert render(TALK, tokenizer) == "How far? 2024"


@pytest.mark.parametrize("call", ["{% set f = '%Y' %}{{ strftime_now(f) }}", "{{ strftime_now('%d' ~ ' %Y') }}"])
def test_a_template_whose_time_cannot_be_held_still_is_refused(tokenizer, call):
    tokenizer.chat_template = call + "{{ messages[0]['content'] }}"
    with pytest.raises(DataError, match="asks for the time"):
        render(TALK, tokenizer)


def test_what_is_saved_for_others_has_the_day_in_its_template(tokenizer, tmp_path, monkeypatch):
    from harness.models.tools.export import save

    class Model:
        def save_pretrained(self, folder, **_):
            folder.mkdir()

    for template in ("{{ strftime_now('%Y') }}", {"default": "{{ strftime_now('%Y') }}", "tool_use": "{{ 1 }}"}):
        tokenizer.chat_template = template
        save(Model(), tokenizer, tmp_path / type(template).__name__)
        again = type(tokenizer).from_pretrained(tmp_path / type(template).__name__)
        assert again.get_chat_template() == "{{ '2024' }}"


def test_only_earlier_reasoning_may_be_left_out(tokenizer):
    talk = [*TALK, {"role": "assistant", "content": "<think>\nFar.\n</think>\n\nTwo miles."}]
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'].split('</think>')[-1] }}{% endfor %}"
    assert render(talk, tokenizer) == "How far?\n\nTwo miles."
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    with pytest.raises(DataError, match=r"leaves out what the assistant says \('Two miles.'\)"):
        render(talk, tokenizer)


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
