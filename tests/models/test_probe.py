"""Is a model fit to be served: weights, logits, sampling and the largest activation."""

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.models.answering.engine import Engine
from harness.models.answering.probe import probe


def test_the_largest_activation_is_the_largest_that_any_layer_put_out(engine):
    ids = engine.prompt_ids("Name a bird.", None)
    seen = []
    hooks = [
        module.register_forward_hook(
            lambda _m, _i, out: seen.append(float((out[0] if isinstance(out, tuple) else out).abs().max()))
        )
        for module in engine.model.modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Embedding)
    ]
    engine.model(torch.tensor([ids]), use_cache=False)
    for hook in hooks:
        hook.remove()
    [answer] = probe(engine, ["p"], [ids], 4)
    assert answer["largest_activation"] >= max(seen) > 0


def test_probe_finds_a_weight_that_is_not_finite(model_at):
    broken = Engine(model_at, "cpu", "float32")
    with torch.no_grad():
        next(broken.model.parameters())[5, 0] = math.nan
    [answer] = probe(broken, ["p"], [broken.prompt_ids("Name a bird.", None)], 4)
    assert answer["finite_weights"] is False


def test_a_model_whose_logits_are_not_finite_is_not_sampled_from(model_at):
    broken = Engine(model_at, "cpu", "float32")
    with torch.no_grad():
        broken.model.model.norm.weight[0] = math.inf
    [answer] = probe(broken, ["p"], [broken.prompt_ids("Name a bird.", None)], 4)
    assert (answer["finite_logits"], answer["sampled"], answer["completion"]) == (False, False, "")
    assert answer["largest_activation"] == torch.finfo(torch.float32).max


def test_probe_samples_from_a_sound_model(engine):
    [answer] = probe(engine, ["p"], [engine.prompt_ids("Name a bird.", None)], 4)
    assert answer["finite_weights"]
    assert answer["finite_logits"]
    assert answer["sampled"]
