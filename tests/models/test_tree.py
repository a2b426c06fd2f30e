"""Rows of tries through a model: hidden states as of each sequence alone, whatever they share."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.models.answering.likelihood import LikelihoodScorer
from harness.models.answering.tree import TreeModel
from harness.models.prefixes.masks import Unsupported, attention_windows, language_model
from harness.models.prefixes.trie import Row
from tests.tiny_models import CONTEXT, PLAIN, tiny


def test_half_precision_is_as_near_as_padding_is():
    model = tiny("llama").to(torch.bfloat16)
    scorer = LikelihoodScorer(model, "cpu", CONTEXT)
    assert scorer.how == "tree"


@torch.inference_mode()
@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral-window", "gemma3"])
def test_two_branches_after_a_prefix_of_a_prefix_are_computed_as_on_their_own(name):
    model = tiny(name)
    tree = TreeModel(model, "cpu")
    common, one, other = [5, 6, 7, 8, 9, 10, 11, 12], [20, 21, 22], [30, 31]
    prefix = tree.prefix(common, tree.prefix(common[:3]))
    assert prefix.length == len(common)
    depths = [*range(len(common), len(common) + 3), *range(len(common), len(common) + 2)]
    row = Row(common, [*one, *other], depths, ends=[3, 3, 3, 5, 5])
    [(_, logits)] = tree.logits(tree.states([row], torch.tensor([2, 4]), prefix))
    alone = torch.stack([model(torch.tensor([[*common, *branch]])).logits[0, -1] for branch in (one, other)])
    assert (logits - alone).abs().max() < 1e-4 * alone.std()


@torch.inference_mode()
@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral-window", "gemma3"])
def test_sequences_that_share_nothing_need_no_mask(name, monkeypatch):
    """At 15,000 tokens a mask would take a gigabyte; what models compute without one is the same."""
    model = tiny(name)
    tree = TreeModel(model, "cpu")
    sequences = [list(range(5, 25)), list(range(30, 37))]
    rows = [Row([], ids, list(range(len(ids))), [len(ids)] * len(ids)) for ids in sequences]
    monkeypatch.setattr(tree.masks, "of_rows", None)  # nobody may ask for one
    [(_, logits)] = tree.logits(tree.states(rows, torch.tensor([19, 20 + 6])))
    alone = torch.stack([model(torch.tensor([ids])).logits[0, -1] for ids in sequences])
    assert (logits - alone).abs().max() < 1e-4 * alone.std()


@pytest.mark.parametrize("name", PLAIN)
def test_a_model_that_takes_no_tree_says_why(name):
    with pytest.raises(Unsupported, match=r"\w+ \w+"):
        TreeModel(tiny(name), "cpu")


def test_windows_are_told_by_the_kind_of_layer():
    assert attention_windows(tiny("llama")) == {"full_attention": None}
    assert attention_windows(tiny("mistral-window")) == {"sliding_attention": 7}
    assert attention_windows(tiny("gemma3")) == {"sliding_attention": 6, "full_attention": None}


def test_the_language_model_within_an_adapter_is_its_base():
    peft = pytest.importorskip("peft")
    model = tiny("llama")
    assert language_model(model) is model
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules="all-linear"))
    assert language_model(adapted) is model
