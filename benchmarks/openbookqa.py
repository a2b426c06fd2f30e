"""OpenBookQA's log-likelihoods: HarnessLM against lm-evaluation-harness's `hf` at its best batch size.

    python benchmarks/openbookqa.py --data-root DIR [--model PATH] [--device cuda:0]

Asked are the requests of acc and acc_norm alone, as lm-eval builds them: without examples, with five examples drawn
per question, and with the same five for every question. Both sides must agree in acc, acc_norm and every greedy flag,
and within 1e-4 nats, before anything is printed; where they are further apart, the model in float64 is asked, and the
engine must be within 1e-4 nats of that. Memory is measured in a process per side, with a vocabulary of 128,000.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import json
import tempfile
from types import SimpleNamespace
from typing import Any

from benchmarks import setting

AGREE = 1e-4  # nats, in float32; half precision differs by its own rounding
SHOTS = {
    "0-shot": {"num_fewshot": 0},
    "5-shot, drawn per question": {"num_fewshot": 5},
    "5-shot, fixed": {"num_fewshot": 5, "fewshot_config": {"sampler": "first_n"}},
}
ENOUGH = 40  # questions to find the best batch size with
LARGE = 128_000  # tokens of the vocabulary that memory is measured with


def requests_of(shots: dict[str, Any], rows: list[dict[str, Any]], examples: list[dict[str, Any]]) -> list[Any]:
    """What lm-eval asks for, recorded by a model that answers nothing."""
    import lm_eval
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Recorder(LM):
        def loglikelihood(self, requests: list[Any], **_: Any) -> list[tuple[float, bool]]:
            asked.extend(requests)
            return [(0.0, False)] * len(requests)

        def loglikelihood_rolling(self, requests: list[Any], **_: Any) -> list[float]:
            raise AssertionError

        def generate_until(self, requests: list[Any], **_: Any) -> list[str]:
            raise AssertionError

    asked: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        files = {"test": Path(folder) / "test.jsonl", "train": Path(folder) / "train.jsonl"}
        for split, some in (("test", rows), ("train", examples)):
            keep = ("id", "question_stem", "choices", "answerKey")
            files[split].write_text("".join(json.dumps({name: row[name] for name in keep}) + "\n" for row in some))
        task = {
            "task": "openbookqa", "dataset_path": "json", "output_type": "multiple_choice",
            "dataset_kwargs": {"data_files": {split: str(path) for split, path in files.items()}},
            "test_split": "test", "fewshot_split": "train", "doc_to_text": "{{question_stem}}",
            "doc_to_choice": "{{choices.text}}", "doc_to_target": "{{choices.label.index(answerKey)}}",
            "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}], **shots,
        }  # fmt: skip
        lm_eval.simple_evaluate(
            model=Recorder(), tasks=[task], bootstrap_iters=0, task_manager=TaskManager(include_defaults=False)
        )
    return sorted(asked, key=lambda one: (one.doc_id, one.idx))


def accuracies(rows: list[dict[str, Any]], answers: list[tuple[float, bool]]) -> tuple[float, float]:
    """(acc, acc_norm), as lm-eval defines them."""
    values, right, right_normed = iter(answers), 0, 0
    for row in rows:
        choices = row["choices"]["text"]
        found = [next(values)[0] for _ in choices]
        gold = row["choices"]["label"].index(row["answerKey"])
        normed = [value / len(choice) for value, choice in zip(found, choices, strict=True)]
        right += found.index(max(found)) == gold
        right_normed += normed.index(max(normed)) == gold
    return right / len(rows), right_normed / len(rows)


def hf(options: Any, batch_size: int) -> Any:
    """lm-eval's own model."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=options.model, device=options.device, dtype=options.dtype, batch_size=batch_size)


def ours(options: Any) -> Any:
    """The engine."""
    from harness.models import HarnessLM

    return HarnessLM(pretrained=options.model, device=options.device, dtype=options.dtype)


def compare(options: Any, name: str, rows: list[dict[str, Any]], requests: list[Any], mine: Any) -> None:
    """One line of the table, once both sides agree."""
    from harness.models.answering.likelihood import Work

    sizes = {size: hf(options, size) for size in options.batch_sizes}
    few = [one for one in requests if one.doc_id < ENOUGH]
    probe = {size: (lambda lm=lm: lm.loglikelihood(few, disable_tqdm=True)) for size, lm in sizes.items()}
    tried = setting.in_turn(probe, 2, options.device)
    best = min(tried, key=lambda size: tried[size].seconds)
    found: dict[str, Any] = {}

    def run(side: str, lm: Any) -> None:
        found[side] = lm.loglikelihood(requests, disable_tqdm=True)

    mine.scorer.work = Work()
    sides = {"ours": lambda: run("ours", mine), "hf": lambda: run("hf", sizes[best])}
    times = {side: one.seconds for side, one in setting.in_turn(sides, options.rounds, options.device).items()}
    apart = [i for i, (a, b) in enumerate(zip(found["ours"], found["hf"], strict=True)) if abs(a[0] - b[0]) > AGREE]
    off, theirs = distances(options, requests, found, apart)
    flags = sum(a[1] != b[1] for a, b in zip(found["ours"], found["hf"], strict=True))
    scores = accuracies(rows, found["ours"]), accuracies(rows, found["hf"])
    if options.dtype == "float32" and (off > AGREE or flags or scores[0] != scores[1]):
        raise SystemExit(f"{name}: the sides disagree: {off:.2e} nats, {flags} greedy flags, acc and acc_norm {scores}")
    work = mine.scorer.work
    asked, unique = work.asked // options.rounds, work.unique // options.rounds
    print(
        f"| {name} | {times['hf'] / times['ours']:.2f} | {times['ours']:.2f} s | {times['hf']:.2f} s (batch {best}) "
        f"| {asked / times['ours']:,.0f} | {asked / times['hf']:,.0f} | {unique:,} of {asked:,} "
        f"| {work.unique / work.computed:.0%} | {off:.1e}{theirs} |",
        flush=True,
    )


def distances(
    options: Any, requests: list[Any], found: dict[str, list[tuple[float, bool]]], apart: list[int]
) -> tuple[float, str]:
    """How far ours is from hf at most, in nats; where some are `apart`, how far from float64, and in words how far hf."""
    pairs = list(zip(found["ours"], found["hf"], strict=True))
    close = max((abs(a[0] - b[0]) for i, (a, b) in enumerate(pairs) if i not in set(apart)), default=0.0)
    if not apart or options.dtype != "float32":
        return max(close, *(abs(a[0] - b[0]) for a, b in pairs)), ""
    exact = hf(SimpleNamespace(**{**vars(options), "dtype": "float64"}), 8)
    truth = exact.loglikelihood([requests[i] for i in apart], disable_tqdm=True)
    off = {side: max(abs(found[side][i][0] - t[0]) for i, t in zip(apart, truth, strict=True)) for side in found}
    return max(close, off["ours"]), f" ({len(apart)} by float64, from which hf is off by {off['hf']:.1e})"


def memory(side: str, options: Any, rows: list[dict[str, Any]], examples: list[dict[str, Any]]) -> None:
    """Print, as JSON, the peak memory of scoring above that of the loaded model, and in all."""
    import torch

    from harness.models.tools.memory import peak_memory_bytes, reset_peak_memory

    requests = requests_of(SHOTS["5-shot, drawn per question"], rows, examples)
    lm = ours(options) if side == "ours" else hf(options, options.memory_batch)
    reset_peak_memory(options.device)
    cpu = options.device == "cpu"
    before = peak_memory_bytes("cpu") if cpu else torch.cuda.memory_allocated()
    lm.loglikelihood(requests, disable_tqdm=True)
    peak = peak_memory_bytes(options.device)
    print(json.dumps({"above": peak - before, "whole": peak}))


def main() -> None:
    """The table."""
    options = setting.options(
        __doc__,
        rounds={"type": int, "default": 2},
        batch_sizes={"type": int, "nargs": "+", "default": [4, 8, 16, 32]},
        questions={"type": int, "default": 500, "help": "the first so many"},
        memory_batch={"type": int, "default": 16, "help": "of hf, where memory is measured"},
        side={"choices": ["ours", "hf"], "help": "measure this side's memory alone"},
    )
    rows = setting.questions(options.data_root)[: options.questions]
    examples = setting.questions(options.data_root, "train")
    if options.side:
        memory(options.side, options, rows[:60], examples)
        return
    mine = ours(options)
    print(
        f"OpenBookQA, {len(rows)} questions, {Path(options.model).name}, {options.dtype}; {setting.machine(options.device)}\n"
    )
    print(
        "| | times faster | ours | lm-eval hf | tokens/s ours | tokens/s hf | unique tokens | share of the limit | off by (nats) |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, shots in SHOTS.items():
        compare(options, name, rows, requests_of(shots, rows, examples), mine)
    del mine
    large = str(setting.tiny(options.data_root, LARGE)) if "tiny" in Path(options.model).name else options.model
    given = ["--model", large, "--device", options.device, "--dtype", options.dtype]
    given += ["--data-root", str(options.data_root)] if options.data_root else []
    found = {
        side: setting.in_a_process(__file__, [*given, "--side", side, "--memory-batch", str(options.memory_batch)])
        for side in ("ours", "hf")
    }
    for what, words in (("above", "above the loaded model"), ("whole", "of the whole process")):
        mib = {side: one[what] / 2**20 for side, one in found.items()}
        print(
            f"\npeak memory {words}, 5-shot, {Path(large).name}, hf at batch {options.memory_batch}: "
            f"{mib['ours']:,.0f} MiB against {mib['hf']:,.0f} MiB, a share of {mib['ours'] / mib['hf']:.2f}"
        )


if __name__ == "__main__":
    sys.exit(main())
