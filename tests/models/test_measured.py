"""A model as it is measured on a CPU: narrow dtypes in float32 with everything rounded, beside torch's own arithmetic."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.models.answering.engine import Engine
from harness.models.answering.measured import computed_in, load_to_measure
from harness.models.loading.load import load_model

NARROW = ["float16", "bfloat16"]
IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


def logits(model):
    with torch.inference_mode():
        return model(IDS, use_cache=False).logits.float()


@pytest.mark.parametrize("dtype", NARROW)
def test_rounded_logits_are_as_near_to_the_exact_ones_as_native_ones_are(model_at, dtype):
    exact = logits(load_model(model_at, device="cpu", dtype="float32"))
    native = (logits(load_model(model_at, device="cpu", dtype=dtype)) - exact).abs().mean()
    rounded = load_to_measure(model_at, device="cpu", dtype=dtype)
    off = (logits(rounded) - exact).abs().mean()
    assert 0.3 * native < off < 2 * native
    assert computed_in(rounded) == getattr(torch, dtype)


@pytest.mark.parametrize("dtype", NARROW)
def test_every_output_and_weight_is_a_number_of_that_dtype(model_at, dtype):
    model = load_to_measure(model_at, device="cpu", dtype=dtype)
    narrow = getattr(torch, dtype)
    seen = []
    for module in model.modules():
        module.register_forward_hook(lambda _m, _i, out: seen.append(out) if isinstance(out, torch.Tensor) else None)
    found = logits(model)
    assert len(seen) > 10
    for value in [*seen, found, *model.parameters()]:
        assert torch.equal(value, value.to(narrow).float())


def test_an_activation_beyond_float16_becomes_inf_as_it_does_natively(model_at):
    models = [
        load_to_measure(model_at, device="cpu", dtype="float16"),
        load_model(model_at, device="cpu", dtype="float16"),
        load_to_measure(model_at, device="cpu", dtype="bfloat16"),
    ]
    for model in models:
        with torch.no_grad():
            model.model.embed_tokens.weight.mul_(0).add_(300.0)
            model.model.layers[0].mlp.down_proj.weight.add_(300.0)
    finite = [bool(torch.isfinite(logits(model)).all()) for model in models]
    assert finite == [False, False, True]


def test_requests_that_share_a_beginning_are_still_computed_together(model_at):
    assert Engine(model_at, "cpu", "bfloat16").how == "tree"
