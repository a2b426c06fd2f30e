"""`harness chat`: one answer, or a conversation over stdin, as the suites would be answered."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from harness.models.answering.engine import Engine
from harness.models.tools.chat import Conversation
from harness.worker.messages import ChatRequest
from tests.projects import environment, run_harness
from tests.trained import places, trained_project

QUESTION = "Why do leaves fall?"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = trained_project(tmp_path_factory.getbasetemp())
    place = places(root)["plain"]
    return SimpleNamespace(root=root, place=place, engine=Engine(place, "cpu", "float32"))


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
    request = ChatRequest(
        name="plain-mini", model=trained.place, device="cpu", threads=1, dtype="float32", prompt=None, system=None,
        max_new_tokens=4, temperature=0.0,
    )  # fmt: skip
    talk = Conversation(trained.engine, request)
    first, second = talk.ask("Hi."), talk.ask("And?")
    assert [line.strip() for line in found.stdout.splitlines()] == [first, second, first]
    assert "with the 4 turns before it, and the model's context is 128." in found.stderr
    assert "Forget the turns before with /clear." in found.stderr


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
