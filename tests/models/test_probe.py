"""Is a model fit to be served: weights, logits, sampling and the largest activation."""

import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.models.answering.asks import SuiteWorker
from harness.models.answering.engine import Engine
from harness.models.answering.probe import probe
from harness.models.answering.resident import Resident
from harness.suite import Probe
from harness.worker.messages import REQUEST, Question, receive
from tests.measuring import write_request


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


def test_a_dtype_that_does_not_fit_is_left_out_and_the_others_are_probed(model_at, tmp_path, monkeypatch):
    """An 8B model in float32 takes 32 GB, where it is measured in half of that."""
    request = write_request(
        tmp_path / "measuring" / "m", model_at, {"k": (Probe(dtypes=("bfloat16", "float32"), max_new_tokens=2),)},
        [Question(id=dtype, prompt="Why?", copy=dtype) for dtype in ("bfloat16", "float32")],
    )  # fmt: skip
    asked = replace(receive(request / REQUEST), dtype="bfloat16")
    resident = Resident()
    whole = resident.engine

    def engine(at, device, dtype):
        if dtype == "float32":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return whole(at, device, dtype)

    monkeypatch.setattr(resident, "engine", engine)
    answers = SuiteWorker(request, asked, resident).answer(asked.suites[0])
    assert answers.answers[0]["finite_logits"] is True
    assert answers.answers[1] == {"fits": False}
    assert answers.record.left_out == ["float32"]


def test_the_dtype_that_a_model_is_measured_in_has_to_fit(model_at, tmp_path, monkeypatch):
    request = write_request(
        tmp_path / "measuring" / "m", model_at, {"k": (Probe(dtypes=("float32",)),)},
        [Question(id="a", prompt="Why?", copy="float32")],
    )  # fmt: skip
    asked, resident = receive(request / REQUEST), Resident()

    def engine(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(resident, "engine", engine)
    with pytest.raises(torch.OutOfMemoryError):
        SuiteWorker(request, asked, resident).answer(asked.suites[0])
