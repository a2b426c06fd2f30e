"""Linear layers in oneDNN's own layout: the same results, and a model left as it was."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.models.answering.likelihood import LikelihoodScorer
from harness.models.answering.onednn import OneDnnLinears
from harness.models.prefixes.trie import Request
from tests.tiny_models import CONTEXT, tiny


def test_weights_changed_between_two_scorings_are_seen():
    model = tiny("llama")
    scorer = LikelihoodScorer(model, "cpu", CONTEXT)
    before = scorer.score([Request("r", [1, 2, 3], [4, 5])])
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.mul_(1.5)
    after = scorer.score([Request("r", [1, 2, 3], [4, 5])])
    assert after != before
    assert after[0].total == pytest.approx(
        LikelihoodScorer(model, "cpu", CONTEXT).score([Request("r", [1, 2, 3], [4, 5])])[0].total
    )
    assert "forward" not in vars(model.model.layers[0].mlp.up_proj)  # the model is left as it was


@torch.inference_mode()
def test_a_model_computes_the_same_while_it_lasts():
    model, ids = tiny("llama"), torch.tensor([[1, 2, 3, 4]])
    plain = model(ids).logits
    with OneDnnLinears(model):
        assert (model(ids).logits - plain).abs().max() < 1e-4 * plain.std()
    assert torch.equal(model(ids).logits, plain)


def test_half_precision_is_left_to_torch():
    assert OneDnnLinears(tiny("llama").to(torch.bfloat16)).linears == []
