"""A conversation as the chat process holds it: asked turn by turn, as the suites would be answered."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from harness.errors import DataError, SuiteError
from harness.models.answering.engine import Engine
from harness.models.tools.chat import Conversation, Printer, prompt_ids
from harness.worker.messages import ChatRequest
from tests.trained import places, trained_project

QUESTION = "Why do leaves fall?"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    place = places(trained_project(tmp_path_factory.getbasetemp()))["plain"]
    return SimpleNamespace(place=place, engine=Engine(place, "cpu", "float32"))


def conversation(trained, system=None, max_new_tokens=4):
    request = ChatRequest(
        name="plain-mini", model=trained.place, device="cpu", threads=1, dtype="float32", prompt=None, system=system,
        max_new_tokens=max_new_tokens, temperature=0.0,
    )  # fmt: skip
    return Conversation(trained.engine, request)


def test_one_question_has_the_token_ids_of_a_measurement(trained):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    assert prompt_ids(trained.engine, turns) == trained.engine.prompt_ids(QUESTION, "Be brief.")


def test_without_a_chat_template_the_turns_are_plain_lines(trained, monkeypatch):
    monkeypatch.setattr(trained.engine.tokenizer, "chat_template", None)
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    assert prompt_ids(trained.engine, turns) == trained.engine.prompt_ids(QUESTION, "Be brief.")
    longer = [*turns, {"role": "assistant", "content": "Wind."}, {"role": "user", "content": "Why?"}]
    assert trained.engine.tokenizer.decode(prompt_ids(trained.engine, longer)) == (
        f"Be brief.\n\n{QUESTION}\nWind.\nWhy?\n"
    )


def test_turns_that_a_chat_template_refuses_are_named(trained, monkeypatch):
    refuses = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    monkeypatch.setattr(trained.engine.tokenizer, "chat_template", refuses)
    with pytest.raises(DataError, match=r"refuses these turns \(system, user\): no system turn"):
        conversation(trained, system="Be brief.").ask("Hi.")


def test_earlier_turns_and_the_system_prompt_are_asked_again(trained):
    talk = conversation(trained, system="Be brief.")
    answer = talk.ask("Hi.")
    assert talk.turns == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": answer},
    ]
    talk.clear()
    assert talk.turns == [{"role": "system", "content": "Be brief."}]


def test_streamed_text_is_the_answer(trained, capsys):
    answer = conversation(trained, max_new_tokens=12).ask(QUESTION, Printer(trained.engine))
    assert capsys.readouterr().out.strip() == answer


def test_a_prompt_longer_than_the_context_names_both_lengths_and_is_no_turn(trained):
    talk = conversation(trained)
    length = len(trained.engine.prompt_ids("x" * 150, None))
    assert length > 128
    with pytest.raises(SuiteError, match=f"plain-mini: the prompt has {length} tokens, and the model's context is 128"):
        talk.ask("x" * 150)
    assert talk.turns == []
