"""The token worker: counts line by line, for tools that import no torch."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("transformers")

from harness.training.pretraining.tokenizer import train_tokenizer
from tests.projects import environment


def answers(name, *lines):
    """What the worker writes, line by line."""
    done = subprocess.run(
        [sys.executable, "-m", "harness.models.tools.token_counts", str(name)],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_line_of_texts_is_answered_by_their_token_counts(tmp_path):
    tokenizer = train_tokenizer(["How far? Two miles. " * 20], vocabulary_size=300, context_length=64)
    tokenizer.save_pretrained(tmp_path)
    texts = ["How far?", "", "Two miles, or three.\nperhaps" * 40]
    counts = [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    assert answers(tmp_path, texts, texts[:1]) == [None, counts, counts[:1]]


def test_a_tokenizer_that_cannot_be_loaded_is_told_first(tmp_path):
    [told] = answers(tmp_path, ["never counted"])
    assert told.startswith(f"directory {tmp_path} cannot be loaded: ")
