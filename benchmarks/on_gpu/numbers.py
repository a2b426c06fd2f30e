"""Does it run, and are the numbers right? Kernels, log-likelihoods and answers against a CPU's, adapters, bfloat16."""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks import setting
from benchmarks.on_gpu import asked
from benchmarks.on_gpu.checks import Checks, Steps

SHAPES = {  # name -> (B, H, Tq, Tk, D), whether there is a mask, whether there is a gradient
    "documents, causal": ((16, 9, 1500, 1500, 64), None, False),
    "a row of a tree": ((128, 9, 256, 256, 64), "tree", False),
    "under a prefix": ((64, 9, 64, 564, 64), "tree", False),
    "decoding, 256 slots": ((256, 9, 1, 400, 64), "tree", False),
    "packed rows, T mod 128 = 64": ((4, 24, 448, 448, 128), "low", True),
    "packed rows, T mod 128 = 0": ((4, 24, 512, 512, 128), "low", True),
}

LONG = 192  # new tokens where steps are timed


def steps(checks: Checks, device: str, small: bool) -> Steps:
    """All of them; with `small` a few samples of each."""
    return {
        "attention kernels": lambda: kernels(checks, device, small),
        "float32 against the CPU": lambda: against_the_cpu(checks, device, small),
        "adapter against merged": lambda: adapter_against_merged(checks, device, small),
        "bfloat16 against float32": lambda: bfloat16_against_float32(checks, device, small),
        "replayed steps": lambda: replayed_steps(checks, device, small),
    }


# ---- kernels ------------------------------------------------------------------------------------------


def kernels(checks: Checks, device: str, small: bool) -> None:
    """Per shape and kernel: time of the first and of a later call, distance from float32, NaN in gradients."""
    from torch.nn.attention import SDPBackend

    on_gpu = device.startswith("cuda")
    names = ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH") if on_gpu else ("MATH",)
    for shape_name, (shape, kind, gradient) in SHAPES.items():
        shape = (1, 2, min(shape[2], 64), min(shape[3], 64), 32) if small else shape
        if shape[2] > shape[3]:
            continue
        given = _attended(shape, kind, device, torch.bfloat16 if on_gpu else torch.float32)
        exact, _ = _attend([*(one.float() for one in given[:3]), given[3]], "MATH", False, kind)
        for name in names:
            if not hasattr(SDPBackend, name):
                continue
            try:
                first, second, found, nan = _timed(given, name, gradient, kind, device)
            except RuntimeError:  # the kernel does not take this shape
                continue
            off = float((found.float() - exact.float()).abs().mean() / exact.float().std())
            checks.row(
                "attention kernels", shape=shape_name, kernel=name.removesuffix("_ATTENTION").lower(),
                first_ms=first, later_ms=second, off=off, nan_in_gradients=("yes" if nan else "none") if gradient else None,
            )  # fmt: skip


def _attended(shape: tuple[int, ...], kind: str | None, device: str, dtype: torch.dtype) -> list[Any]:
    """Queries, keys, values and mask; of kind `low`, one row's scores lie far below zero."""
    batch, heads, queries, keys, width = shape
    generator = torch.Generator().manual_seed(0)
    sizes = ((batch, heads, queries, width), (batch, heads, keys, width), (batch, heads, keys, width))
    q, k, v = (torch.randn(size, generator=generator).to(device, dtype) for size in sizes)
    if kind is None:
        return [q, k, v, None]
    seen = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)
    if kind == "low":
        k[:, :, 0] = -4 * q[:, :, 0]  # the first token sees itself alone: its logsumexp is its only score
    return [q, k, v, seen.expand(batch, 1, -1, -1).to(device)]


def _attend(given: list[Any], name: str, gradient: bool, kind: str | None) -> tuple[torch.Tensor, bool]:
    """The output, and whether a gradient holds NaN."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    q, k, v, mask = given
    parts = [one.detach().requires_grad_(gradient) for one in (q, k, v)]
    with sdpa_kernel(getattr(SDPBackend, name)):
        found = torch.nn.functional.scaled_dot_product_attention(*parts, attn_mask=mask, is_causal=kind is None)
    if not gradient:
        return found.detach(), False
    found.float().square().sum().backward()
    return found.detach(), any(bool(torch.isnan(one.grad).any()) for one in parts)


def _timed(given: list[Any], name: str, gradient: bool, kind: str | None, device: str) -> tuple[Any, ...]:
    """(ms of the first call, ms of the third, output, NaN in a gradient)."""
    times = []
    for _ in range(3):
        setting.synchronized(device)
        started = time.perf_counter()
        found, nan = _attend(given, name, gradient, kind)
        setting.synchronized(device)
        times.append(1e3 * (time.perf_counter() - started))
    return times[0], times[2], found, nan


# ---- SmolLM2 ------------------------------------------------------------------------------------------


def answers_of(one: Any, small: bool) -> dict[str, Any]:
    """What the engine gives: totals of requests and documents in nats, token ids of answers."""
    some = asked.requests(one.tokenizer)[: 24 if small else None]
    texts = asked.documents(one.tokenizer)[: 2 if small else None]
    ids = asked.prompts(one)[: 4 if small else None]
    completions = one.complete([str(i) for i in range(len(ids))], ids, asked.NEW)
    return {
        "requests": [found.total for found in one.scorer.score(some)],
        "documents": [found.total for found in one.scorer.score(texts)],
        "answers": [completion.ids for completion in completions],
    }


def against_the_cpu(checks: Checks, device: str, small: bool) -> None:
    """Log-likelihoods per token, and greedy answers token by token."""
    one = asked.engine(device, "float32")
    there, here = asked.found_on_cpu(), answers_of(one, small)
    checks.that("requests are computed as trees", one.how == "tree", one.how)
    for name, asks in (("requests", asked.requests), ("documents", asked.documents)):
        sizes = [len(request.target) for request in asks(one.tokenizer)]
        off = max(abs(a - b) / size for a, b, size in zip(here[name], there[name], sizes))
        checks.at_most(f"{name}: furthest from the CPU's", off, 1e-4, "nats a token")
    same = total = 0
    for mine, theirs in zip(here["answers"], there["answers"]):
        total += max(len(mine), len(theirs))
        same += sum(a == b for a, b in zip(mine, theirs))
    checks.at_least("greedy answers: tokens equal to the CPU's", 100 * same / total, 99, "%")


def adapter_against_merged(checks: Checks, device: str, small: bool) -> None:
    """An adapter beside its base, and merged into it: the same log-likelihoods in float32."""
    from harness.models.answering.engine import Engine
    from harness.models.loading.load import load_model

    base = asked.engine(device, "float32")
    with tempfile.TemporaryDirectory() as folder:
        place = random_adapter(Path(folder), seed=1)
        some = asked.requests(base.tokenizer)[: 8 if small else 100]
        sizes = [len(request.target) for request in some]
        model = load_model(place, device=device, dtype="float32")
        beside = Engine(place, device, "float32", model=model).scorer.score(some)
        merged = Engine(place, device, "float32", model=model.merge_and_unload()).scorer.score(some)
        plain = base.scorer.score(some)
    off = max(abs(a.total - b.total) / size for a, b, size in zip(beside, merged, sizes, strict=True))
    apart = max(abs(a.total - b.total) / size for a, b, size in zip(beside, plain, sizes, strict=True))
    checks.at_most("an adapter, beside its base and merged", off, 1e-4, "nats a token")
    checks.at_least("the same adapter changes its base by", apart, 0.01, "nats a token")


def random_adapter(folder: Path, seed: int) -> Any:
    """The place of an adapter with random matrices over SmolLM2, written into the folder."""
    from peft import LoraConfig, get_peft_model

    from harness.models.loading.load import load_model, load_tokenizer
    from harness.worker.places import Adapted, Directory

    base = Directory(str(setting.smollm2()))
    torch.manual_seed(seed)
    settings = LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(load_model(base, device="cpu", dtype="float32"), settings)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.01)
    model.save_pretrained(folder)
    load_tokenizer(base).save_pretrained(folder)
    return Adapted(Directory(str(folder)), base)


@torch.inference_mode()
def bfloat16_against_float32(checks: Checks, device: str, small: bool) -> None:
    """How far bfloat16 moves a token's log-likelihood: in the mean of its size, and with its sign."""
    exact, narrow = (asked.engine(device, dtype) for dtype in ("float32", "bfloat16"))
    checks.that("requests are computed as trees in bfloat16", narrow.how == "tree", narrow.how)
    off: list[torch.Tensor] = []
    for request in asked.documents(exact.tokenizer)[: 1 if small else None]:
        ids = torch.tensor([[*request.context, *request.target]], device=device)
        own = [
            torch.nn.functional.cross_entropy(one.model(ids).logits[0, :-1].float(), ids[0, 1:], reduction="none")
            for one in (exact, narrow)
        ]
        off.append((own[1] - own[0]).cpu())
    apart = torch.cat(off)
    checks.at_most("bfloat16 against float32, a token, mean size", float(apart.abs().mean()), 0.05, "nats")
    checks.at_most("bfloat16 against float32, a token, mean", abs(float(apart.mean())), 0.005, "nats")


def replayed_steps(checks: Checks, device: str, small: bool) -> None:
    """Answers whose steps are replayed as graphs, and the same launched kernel by kernel: equal tokens, and times."""
    from harness.models.answering import replay

    for dtype in ("float32", "bfloat16") if device.startswith("cuda") else ("float32",):
        one = asked.engine(device, dtype)
        ids = asked.prompts(one, 4 if small else asked.ANSWERS)
        new = 8 if small else LONG
        found: dict[str, list[list[int]]] = {}

        def run(way: str, recorded_at: int, one: Any = one, ids: Any = ids, found: Any = found, new: int = new) -> None:
            with mock.patch.object(replay, "RECORDED_AT", recorded_at):
                found[way] = [list(made.ids) for made in one.complete([str(i) for i in range(len(ids))], ids, new)]

        ways = {
            "replayed": partial(run, "replayed", replay.RECORDED_AT),
            "launched": partial(run, "launched", sys.maxsize),
        }
        times = setting.in_turn(ways, 2, device)
        made = sum(map(len, found["launched"]))
        checks.that(f"{dtype}: the same answers, steps replayed or launched", found["replayed"] == found["launched"])
        for way, measured in times.items():
            checks.row(
                "steps", dtype=dtype, kernels=way, answers=len(ids), tokens=made, seconds=measured.seconds,
                tokens_per_second=made / measured.seconds, peak_gib=measured.peak_bytes / 2**30,
            )  # fmt: skip
