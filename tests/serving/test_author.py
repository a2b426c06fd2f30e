"""A checkpoint that writes: each prompt is answered once, and one that is too long is none of the others' fault."""

import pytest

pytest.importorskip("torch")

from harness.serving.author import Author, Wanted, answers, is_refused
from tests.trained import places, trained_project

WANTED = Wanted(schema={"type": "object"}, words="In a few words.", max_new_tokens=4)


@pytest.fixture(scope="module")
def author(tmp_path_factory):
    root = trained_project(tmp_path_factory.getbasetemp())
    return Author("plain-mini", places(root)["plain"])


def test_a_checkpoint_answers_each_prompt_once(author, tmp_path):
    prompts = {f"p{i}": f"Why do leaves fall {i} times?" for i in range(20)}
    found = answers(author, prompts, WANTED, tmp_path / "kept", "test")
    assert list(found) == list(prompts)
    assert all("completion" in one and one["prompt_tokens"] > 0 for one in found.values())
    before = sorted((path.name, path.stat().st_mtime_ns) for path in (tmp_path / "kept").glob("*.json"))
    more = {"new": "Why does wind blow?", **prompts}  # first: no group of prompts is what it was
    again = answers(author, more, WANTED, tmp_path / "kept", "test")
    assert {name: again[name] for name in prompts} == found
    after = sorted((path.name, path.stat().st_mtime_ns) for path in (tmp_path / "kept").glob("*.json"))
    assert (
        len([one for one in after if one not in before and not one[0].startswith(("request", "progress", "ended"))])
        == 1
    )


def test_a_prompt_that_is_too_long_is_refused_alone(author, tmp_path):
    prompts = {"short": "Why?", "long": "why " * 400, "other": "When?"}
    found = answers(author, prompts, WANTED, tmp_path / "kept", "test")
    assert [is_refused(one) for one in found.values()] == [False, True, False]
    assert "long" in found["long"]["problem"]
