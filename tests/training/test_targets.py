"""Which tokens of a rendered conversation are the assistant's, in the chat templates that models are published with."""

import re
from types import SimpleNamespace

import pytest

pytest.importorskip("trl")

from tokenizers import AddedToken
from trl import chat_template_utils as published

from harness.errors import DataError
from harness.models.answering.prompts import Prompts
from harness.models.loading.template import render
from harness.models.loading.vocabulary import stop_ids
from harness.training.finetuning.conversations import conversation_tokens, endless
from harness.training.finetuning.targets import rendered
from harness.training.pretraining.tokenizer import train_tokenizer
from harness.training.shared.templates import CHATML
from tests.odd_tokenizers import sentencepiece_like

UNCONFIGURED = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=None))  # a model that names no end
SYSTEM = {"role": "system", "content": "Be brief."}
TALK = [
    {"role": "user", "content": "How far?"},
    {"role": "assistant", "content": "One mile."},
    {"role": "user", "content": "And back?"},
    {"role": "assistant", "content": "Two miles."},
]

SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
PLAIN_CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
ZEPHYR = (  # as TinyLlama's tokenizer has it
    "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}"
    "\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}"
    "\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}"
    "\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
)
MISTRAL = (
    "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}"
    "{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}{{- bos_token }}"
    "{%- for message in loop_messages %}{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{- raise_exception('After the optional system message, conversation roles must alternate') }}{%- endif %}"
    "{%- if message['role'] == 'user' %}{%- if loop.first and system_message is defined %}"
    "{{- ' [INST] ' + system_message + '\n\n' + message['content'] + ' [/INST]' }}{%- else %}"
    "{{- ' [INST] ' + message['content'] + ' [/INST]' }}{%- endif %}{%- else %}"
    "{{- ' ' + message['content'] + eos_token }}{%- endif %}{%- endfor %}"
)
MISTRAL_V3 = MISTRAL.replace("loop.first and", "loop.last and")  # puts the system prompt before the last question
SYSTEM_LAST = (
    "{% set asked = messages | selectattr('role', 'equalto', 'user') | list %}"
    "{% for message in messages if message['role'] != 'system' %}{{ '<|' + message['role'] + '|>' }}"
    "{% if message == asked[-1] and messages[0]['role'] == 'system' %}{{ messages[0]['content'] + ' ' }}{% endif %}"
    "{{ message['content'] + eos_token }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
OLMO2 = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\n' + "
    "message['content'] + '\n' }}{% elif message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}"
    "{% elif message['role'] == 'assistant' %}{% if not loop.last %}{{ '<|assistant|>\n'  + message['content'] + "
    "eos_token + '\n' }}{% else %}{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% endif %}"
    "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}"
)
CONTROL = [
    "<s>", "</s>", "<bos>", "<eos>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<start_of_turn>", "<end_of_turn>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>",
]  # fmt: skip

# template, its begin and end of a sequence, and what carries loss in TALK: of each turn, or of the last alone
TEMPLATES = {
    "chatml of this harness": (CHATML, None, "<|im_end|>", ["One mile.<|im_end|>", "Two miles.<|im_end|>"]),
    "chatml": (PLAIN_CHATML, None, "<|im_end|>", ["One mile.<|im_end|>", "Two miles.<|im_end|>"]),
    "smollm2": (SMOLLM2, "<|im_start|>", "<|im_end|>", ["One mile.<|im_end|>", "Two miles.<|im_end|>"]),
    "llama 3.1": (
        published.llama3_1_chat_template, "<|begin_of_text|>", "<|eot_id|>",
        ["One mile.<|eot_id|>", "Two miles.<|eot_id|>"],
    ),
    "llama 3.2": (
        published.llama3_2_chat_template, "<|begin_of_text|>", "<|eot_id|>",
        ["One mile.<|eot_id|>", "Two miles.<|eot_id|>"],
    ),
    "tinyllama": (ZEPHYR, "<s>", "</s>", ["One mile.</s>", "Two miles.</s>"]),
    "qwen 2.5": (published.qwen2_5_chat_template, None, "<|im_end|>", ["One mile.<|im_end|>", "Two miles.<|im_end|>"]),
    "qwen 3": (published.qwen3_chat_template, None, "<|im_end|>", ["<think>\n\n</think>\n\nTwo miles.<|im_end|>"]),
    "mistral": (MISTRAL, "<s>", "</s>", [" One mile.</s>", " Two miles.</s>"]),
    "mistral v3": (MISTRAL_V3, "<s>", "</s>", [" One mile.</s>", " Two miles.</s>"]),
    "gemma 2": (published.gemma_chat_template, "<bos>", "<eos>", ["One mile.<end_of_turn>", "Two miles.<end_of_turn>"]),
    "gemma 3": (published.gemma3_chat_template, "<bos>", "<eos>", ["One mile.<end_of_turn>", "Two miles.<end_of_turn>"]),
    "phi 3": (
        published.phi3_chat_template, "<s>", "<|endoftext|>", ["One mile.<|end|>", "Two miles.<|end|>\n<|endoftext|>"],
    ),
    "olmo 2": (OLMO2, "<|endoftext|>", "<|endoftext|>", ["One mile.<|endoftext|>", "Two miles.<|endoftext|>"]),
}  # fmt: skip
NO_SYSTEM = {"gemma 2", "mistral v3"}
LAST_ONLY = {"qwen 3"}


def tokenizer_with(name):
    template, begin, end, _ = TEMPLATES[name]
    tokenizer = train_tokenizer(["How far? Two miles. " * 20], vocabulary_size=300, context_length=512)
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL])
    tokenizer.bos_token, tokenizer.eos_token, tokenizer.chat_template = begin, end, template
    return tokenizer


def learnt(found, tokenizer):
    """The texts of the runs of tokens that carry loss."""
    runs, before = [], False
    for token, is_target in zip(found.ids, found.is_target, strict=True):
        if is_target:
            runs = [*runs, []] if not before else runs
            runs[-1].append(token)
        before = is_target
    return [tokenizer.decode(run) for run in runs]


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_answers_of_a_conversation_carry_loss(name):
    tokenizer = tokenizer_with(name)
    found = rendered(TALK, tokenizer)
    assert learnt(found, tokenizer) == TEMPLATES[name][3]
    [row] = conversation_tokens([{"messages": TALK, "origin": "t:1"}], tokenizer, 512).rows
    assert endless([row], stop_ids(UNCONFIGURED, tokenizer), 512) == 0, "published templates end their answers"
    assert found.last_only == (name in LAST_ONLY)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_row_is_rendered_as_the_model_was_published(name):
    tokenizer = tokenizer_with(name)
    own = tokenizer.apply_chat_template(TALK, tokenize=True, return_dict=True, date_string="26 Jul 2024")
    assert rendered(TALK, tokenizer).ids == own["input_ids"]


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("system", [None, "Be brief."])
def test_a_question_is_asked_in_the_tokens_that_it_was_trained_in(name, system):
    tokenizer = tokenizer_with(name)
    if system and name in NO_SYSTEM:
        pytest.skip("a row with a system prompt cannot be trained on in this template")
    found = rendered([*([SYSTEM] if system else []), *TALK[:2]], tokenizer)
    [asked] = Prompts(tokenizer).ids([Prompts(tokenizer).render("How far?", system)])
    assert found.ids[: len(asked)] == asked
    assert found.is_target.index(True) == len(asked)


def test_where_the_system_prompt_stands_before_the_last_question_only_its_answer_carries_loss():
    tokenizer = tokenizer_with("tinyllama")
    tokenizer.chat_template = SYSTEM_LAST
    found = rendered([SYSTEM, *TALK], tokenizer)
    assert "<|user|>Be brief. And back?" in render([SYSTEM, *TALK], tokenizer)
    assert found.last_only
    assert learnt(found, tokenizer) == ["Two miles.</s>"]


def test_where_earlier_reasoning_is_dropped_only_the_last_answer_carries_loss():
    tokenizer = tokenizer_with("qwen 3")
    talk = [dict(turn) for turn in TALK]
    talk[1]["content"] = "<think>\nA mile is far.\n</think>\n\nOne mile."
    found = rendered(talk, tokenizer)
    assert found.last_only
    assert learnt(found, tokenizer) == ["<think>\n\n</think>\n\nTwo miles.<|im_end|>"]


def test_an_answer_that_the_template_trims_ends_where_it_does():
    tokenizer = tokenizer_with("llama 3.2")
    found = rendered([TALK[0], {"role": "assistant", "content": "  One mile. \n"}], tokenizer)
    assert learnt(found, tokenizer) == ["One mile.<|eot_id|>"]


def test_an_answer_may_quote_a_control_token():
    tokenizer = tokenizer_with("chatml")
    found = rendered([TALK[0], {"role": "assistant", "content": "It ends with </s>, you see."}], tokenizer)
    assert learnt(found, tokenizer) == ["It ends with </s>, you see.<|im_end|>"]


def test_an_answer_without_an_end_of_turn_may_quote_one():
    tokenizer = tokenizer_with("chatml")
    tokenizer.chat_template = (
        "{% for m in messages %}### {{ m['role'] }}:\n{{ m['content'] }}\n\n{% endfor %}"
        "{% if add_generation_prompt %}### assistant:\n{% endif %}"
    )
    talk = [TALK[0], {"role": "assistant", "content": "It ends with <|im_end|>, you see. And more."}, *TALK[2:]]
    assert learnt(rendered(talk, tokenizer), tokenizer) == [
        "It ends with <|im_end|>, you see. And more.\n\n", "Two miles.\n\n",
    ]  # fmt: skip


def test_an_earlier_turn_may_end_with_another_control_token_than_the_last():
    tokenizer = tokenizer_with("tinyllama")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + ('</s>' if loop.last else '<|end|>') }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    ).replace("('</s>' if loop.last", "('</s>' if loop.last and m['role'] == 'assistant'")
    assert learnt(rendered(TALK, tokenizer), tokenizer) == ["One mile.<|end|>", "Two miles.</s>"]


@pytest.mark.parametrize("answer", ["\n\nTwo", "  Two miles", "    def f():"])
def test_an_answer_that_begins_with_blanks_is_learnt_after_the_tokens_that_are_asked(answer):
    tokenizer = tokenizer_with("smollm2")
    found = rendered([TALK[0], {"role": "assistant", "content": answer}], tokenizer)
    [asked] = Prompts(tokenizer).ids([Prompts(tokenizer).render("How far?", None)])
    assert found.ids[: len(asked)] == asked
    assert learnt(found, tokenizer) == [f"{answer}<|im_end|>"]


def test_an_answer_that_melts_into_its_question_is_refused_where_no_text_can_begin_there():
    tokenizer = sentencepiece_like()
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['content'] }}{% endfor %}{{ '' if add_generation_prompt else eos_token }}"
    )
    with pytest.raises(DataError, match="an answer begins with 'l</s>', which melts into the question's last token"):
        rendered([{"role": "user", "content": "ow"}, {"role": "assistant", "content": "l"}], tokenizer)


def test_generation_marks_do_not_excuse_a_question_that_is_never_asked():
    tokenizer = tokenizer_with("chatml")
    tokenizer.chat_template = CHATML.replace("'<|im_start|>assistant\\n' }}", "'<|im_start|>assistant\\n<think>\\n' }}")
    with pytest.raises(DataError, match="otherwise once the answer is there"):
        rendered(TALK, tokenizer)


def test_a_template_that_leaves_out_what_is_said_is_refused():
    tokenizer = tokenizer_with("chatml")
    tokenizer.chat_template = PLAIN_CHATML.replace("message['content']", "(message['content'][0].text or '')")
    with pytest.raises(DataError, match=r"leaves out what the user says \('How far"):
        rendered(TALK, tokenizer)


# ---- every template that TRL brings -----------------------------------------------------------------------

PUBLISHED = sorted(path.stem for path in published._CHAT_TEMPLATES_DIR.glob("*.jinja"))
CONTENT_IN_PARTS = {"idefics3", "idefics3_training", "smolvlm", "smolvlm_training", "llava_next", "llava_next_training"}
THINKS_FIRST = ("deepseek", "nemotron_3")  # they are asked to think, and render an answer without that
MARK = re.compile(r"<[|｜]?[A-Za-z_/][\w▁ |｜.-]{0,40}[|｜]?>|\[/?[A-Z_]+\]")


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_template_has_its_answers_learnt_or_is_refused_by_name(name):
    """Each answer lies in a run of its own, after the tokens that the suites would ask; else there is an error."""
    template = (published._CHAT_TEMPLATES_DIR / f"{name}.jinja").read_text(encoding="utf-8")
    tokenizer = train_tokenizer(["How far? Two miles. " * 20], vocabulary_size=300, context_length=512)
    control = [AddedToken(token, special=True, normalized=False) for token in sorted(set(MARK.findall(template)))]
    tokenizer.add_tokens(control)
    tokenizer.bos_token, tokenizer.eos_token, tokenizer.chat_template = "<|endoftext|>", "<|im_end|>", template
    if name in CONTENT_IN_PARTS or name.startswith(THINKS_FIRST):
        with pytest.raises(DataError, match="otherwise once the answer is there|leaves out what|refuses these turns"):
            rendered(TALK, tokenizer)
        return
    found = rendered(TALK, tokenizer)
    runs = learnt(found, tokenizer)
    answers = ["Two miles."] if found.last_only else ["One mile.", "Two miles."]
    assert len(runs) == len(answers)
    assert all(answer in run and run.count("mile") == 1 for answer, run in zip(answers, runs, strict=True))
    [asked] = Prompts(tokenizer).ids([render(TALK[:3], tokenizer, ask=True)])
    assert found.ids[: len(asked)] == asked


def test_a_question_at_the_end_carries_no_loss():
    tokenizer = tokenizer_with("llama 3.1")
    assert learnt(rendered(TALK[:3], tokenizer), tokenizer) == ["One mile.<|eot_id|>"]


def test_a_template_without_an_end_of_turn_has_the_whole_turn_learnt():
    tokenizer = tokenizer_with("chatml")
    tokenizer.chat_template = (
        "{% for m in messages %}### {{ m['role'] }}:\n{{ m['content'] }}\n\n{% endfor %}"
        "{% if add_generation_prompt %}### assistant:\n{% endif %}"
    )
    assert learnt(rendered(TALK, tokenizer), tokenizer) == ["One mile.\n\n", "Two miles.\n\n"]


REFUSED = {
    "System role not supported": ("gemma 2", None, [SYSTEM, *TALK]),
    "conversation roles must alternate": ("mistral", None, TALK[1:]),
    "leaves out what the system says .'Be brief.'": ("mistral v3", None, [SYSTEM, *TALK]),
    "unexpected '}'": ("chatml", "{{ messages[0]['content'] }", TALK),
    "renders the question before the last answer otherwise .*answer this: ": (
        "chatml",
        "{% if add_generation_prompt %}answer this: {% endif %}{% for m in messages %}{{ m['content'] }}{% endfor %}",
        TALK,
    ),
}


@pytest.mark.parametrize("problem", REFUSED)
def test_what_a_template_cannot_render_is_named(problem):
    name, template, talk = REFUSED[problem]
    tokenizer = tokenizer_with(name)
    tokenizer.chat_template = template or tokenizer.chat_template
    with pytest.raises(DataError, match=problem):
        rendered(talk, tokenizer)


def test_a_tokenizer_that_marks_the_beginning_of_a_text_gives_no_blank_to_an_answer():
    tokenizer = sentencepiece_like()
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['content'] + (eos_token if m['role'] == 'assistant' else '\n') }}{% endfor %}"
    )
    found = rendered([{"role": "user", "content": "a bird"}, {"role": "assistant", "content": "owl"}], tokenizer)
    answer = [token for token, is_target in zip(found.ids, found.is_target, strict=True) if is_target]
    assert tokenizer.convert_ids_to_tokens(answer) == ["owl", "</s>"]  # not "▁owl", as it would be by itself


# ---- turns of weight 0 ------------------------------------------------------------------------------------

MARKED = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] }}<|im_end|>{% endgeneration %}{% else %}{{ message['content'] }}<|im_end|>"
    "{% endif %}\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.mark.parametrize("template", [PLAIN_CHATML, MARKED], ids=["found", "marked"])
@pytest.mark.parametrize(
    ("weights", "learnt"), [((0, 1), ["Two miles."]), ((1, 0), ["One mile."]), ((1, 1), ["One mile.", "Two miles."])]
)
def test_a_turn_of_weight_0_is_read_and_not_learnt(template, weights, learnt):
    tokenizer = train_tokenizer(["How far? One mile. And back? Two miles."], 300, 64)
    tokenizer.chat_template = template
    answers = iter(weights)
    turns = [{**turn, "weight": next(answers)} if turn["role"] == "assistant" else turn for turn in TALK]
    one = rendered(turns, tokenizer)
    assert one.ids == rendered(TALK, tokenizer).ids
    text = tokenizer.decode([token for token, target in zip(one.ids, one.is_target, strict=True) if target])
    assert [answer for answer in ("One mile.", "Two miles.") if answer in text] == learnt


def test_answers_marked_in_one_piece_cannot_be_weighted():
    tokenizer = train_tokenizer(["How far? One mile. And back? Two miles."], 300, 64)
    tokenizer.chat_template = "{% generation %}" + PLAIN_CHATML + "{% endgeneration %}"
    turns = [{**turn, "weight": 0} if turn == TALK[1] else turn for turn in TALK]
    with pytest.raises(DataError, match="marks 1 pieces as the assistant's in a conversation with 2 answers"):
        rendered(turns, tokenizer)
