"""How far the model worker is with a suite: what it writes down while it scores, generates and probes."""

import json
import time

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.models.answering.generation import Prompt
from harness.models.answering.likelihood import LikelihoodScorer
from harness.models.prefixes.trie import Request
from harness.models.tools import progress
from harness.models.tools.progress import SuiteProgress, part_of
from harness.worker.messages import PROGRESS
from tests.generating import generator_of
from tests.tiny_models import CONTEXT, PLAIN, TREE, tiny


def read(folder):
    return json.loads((folder / PROGRESS).read_text())


def test_samples_are_counted_over_all_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    watch = SuiteProgress(tmp_path, "recall", samples=200, parts=2)
    watch.next_part()
    assert read(tmp_path)["done"] == 0
    watch(0.5, 1000)
    watch.next_part()
    watch(0.25, 10)
    found = read(tmp_path)
    assert (found["suite"], found["samples"], found["done"], found["tokens"]) == ("recall", 200, 125, 1010)
    assert 0 <= found["seconds"] < 60


def test_it_is_written_twice_a_second_at_most(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    watch = SuiteProgress(tmp_path, "recall", samples=10, parts=1)
    watch.next_part()
    watch(0.5, 1)
    assert read(tmp_path)["done"] == 0
    now[0] += 0.6
    watch(0.6, 1)
    assert (read(tmp_path)["done"], read(tmp_path)["tokens"]) == (6, 2)


def test_a_part_of_a_part():
    seen = []
    part_of(lambda share, tokens: seen.append((share, tokens)), 2, 4)(0.5, 7)
    assert seen == [(0.625, 7)]


@pytest.mark.parametrize("name", [TREE[0], PLAIN[0]])
def test_scoring_ends_with_the_whole_share_and_every_computed_token(name):
    scorer, seen = LikelihoodScorer(tiny(name), "cpu", CONTEXT), []
    scorer.tokens_at_once = scorer.row_tokens = 8
    scorer.watch = lambda share, tokens: seen.append((share, tokens))
    scorer.score([Request(str(i), [5, 6, i % 7], [i % 11, 3]) for i in range(12)])
    shares = [share for share, _ in seen]
    assert len(seen) > 1
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert 0 < sum(tokens for _, tokens in seen) <= scorer.work.computed


def test_generating_ends_with_the_whole_share():
    generator, seen = generator_of(tiny(TREE[0])), []
    generator.watch = lambda share, tokens: seen.append((share, tokens))
    generator.complete([Prompt(str(i), [5, 6, i], 4) for i in range(3)], [])
    assert seen[0] == (0.0, 9 + 0)  # the three prompts
    assert seen[-1][0] == 1.0
    assert sum(tokens for _, tokens in seen) == 9 + 3 * 3  # and all new tokens but the last of each
