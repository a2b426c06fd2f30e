"""`harness chat`: one answer, or a conversation over stdin, as the suites would be answered."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from harness.errors import SuiteError
from harness.models.tools.chat import Conversation, Printer, prompt_ids
from harness.models.answering.engine import Engine
from tests.projects import environment, run_harness
from tests.trained import places, trained_project

QUESTION = "Why do leaves fall?"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = trained_project(tmp_path_factory.getbasetemp())
    return SimpleNamespace(root=root, engine=Engine(places(root)["plain"], "cpu", "float32"))


def conversation(trained, system=None, max_new_tokens=4):
    request = {"name": "plain-mini", "system": system, "max_new_tokens": max_new_tokens, "temperature": 0.0}
    return Conversation(trained.engine, request)


def test_a_prompt_is_answered_as_a_suite_would_be_answered(trained):
    found = run_harness(
        trained.root, "chat", "plain", "--prompt", QUESTION, "--system", "Be brief.", "--max-new-tokens", "8"
    )
    assert found.returncode == 0, found.stderr
    ids = trained.engine.prompt_ids(QUESTION, "Be brief.")
    [expected] = trained.engine.generate(["q"], [ids], max_new_tokens=8)
    assert found.stdout == expected["completion"] + "\n"
    told = "" if expected["ended"] else "(not ended: 8 new tokens reach --max-new-tokens)\n"
    assert found.stderr == told


def test_a_conversation_goes_line_by_line_until_exit_and_forgets_on_request(trained):
    lines = ["Hi.", "And?", "x" * 150, "/clear", "Hi.", "/exit", "never asked"]
    found = subprocess.run(
        [sys.executable, "-m", "harness", "chat", "plain-mini", "--max-new-tokens", "4"],
        cwd=trained.root, env=environment(), input="\n".join(lines), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    talk = conversation(trained)
    first, second = talk.ask("Hi."), talk.ask("And?")
    assert [line.strip() for line in found.stdout.splitlines()] == [first, second, first]
    assert "with the 4 turns before it, and the model's context is 128." in found.stderr
    assert "Forget the turns before with /clear." in found.stderr


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


def test_a_recipe_of_several_variants_asks_which(trained):
    found = run_harness(trained.root, "chat", "other", "--prompt", "Hi.")
    assert found.returncode == 2
    assert "'other' has 2 variants at mini scale: other-second, other-mini.\n    Name one of them." in found.stderr


def test_a_checkpoint_that_is_missing_is_told_as_elsewhere(trained):
    found = run_harness(trained.root, "chat", "other-mini", "--prompt", "Hi.")
    assert found.returncode == 2
    assert found.stderr.startswith("CheckpointMissing: other-mini has no checkpoint ")
    assert "The nearest, " in found.stderr
    assert "Traceback" not in found.stderr
