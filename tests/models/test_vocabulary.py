"""Tokens that a model has no weights for: named before anything is computed with them."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.errors import DataError
from harness.models.answering.generation import Prompt
from harness.models.loading.vocabulary import check_ids, embeddings, padding
from harness.models.prefixes.trie import Request


def test_ids_within_the_embeddings_are_known(engine):
    count = embeddings(engine.model)
    check_ids([0, count - 1], embeddings(engine.model), "rows.jsonl:3")
    check_ids([], embeddings(engine.model), "rows.jsonl:3")


def test_the_first_token_beyond_is_named_with_both_numbers(engine):
    count = embeddings(engine.model)
    with pytest.raises(DataError) as error:
        check_ids([1, count + 1, count], embeddings(engine.model), "rows.jsonl:3")
    assert error.value.problem.startswith(f"rows.jsonl:3: token {count + 1} is beyond the model's {count:,} embeddings")


def test_a_suite_that_asks_in_such_tokens_says_which_sample(engine):
    beyond = embeddings(engine.model)
    with pytest.raises(DataError, match=f"sample s1: token {beyond}"):
        engine.scorer.score([Request("s0", [1], [2]), Request("s1", [1], [beyond])])
    with pytest.raises(DataError, match=f"sample s2: token {beyond}"):
        engine.generator.complete([Prompt("s2", [1, beyond], 2)], [0])


@pytest.mark.parametrize(("own", "used"), [(3, 3), (None, 0), (10**6, 0)])
def test_padding_is_the_tokenizers_own_where_the_model_has_weights_for_it(engine, own, used):
    assert padding(SimpleNamespace(pad_token_id=own), engine.model) == used
