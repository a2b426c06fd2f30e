"""Training and memory: losses against a CPU's, a kill, the published sizes with random weights, energy."""

from __future__ import annotations

import gc
import json
import math
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks import setting
from benchmarks.on_gpu import asked
from benchmarks.on_gpu.checks import Checks, Steps

MIB, GIB = 2**20, 2**30
LENGTH = 512  # tokens of each row of a published size
RANK = 16


def steps(checks: Checks, device: str, small: bool) -> Steps:
    """All of them; on a CPU a few steps against those in float32, and no published size."""
    found: Steps = {"losses against the CPU's": lambda: losses_against_the_cpu(checks, device, small)}
    if device.startswith("cuda"):
        found |= {size.name: lambda size=size: published_size(checks, size, device) for size in SIZES}  # type: ignore[misc]
        found["kill and resume"] = lambda: kill_and_resume(checks, device)
    return found


# ---- losses -------------------------------------------------------------------------------------------


def losses_against_the_cpu(checks: Checks, device: str, small: bool) -> None:
    """Loss by step of full training and of an adapter, in float32 and bfloat16."""
    there = asked.found_on_cpu()["losses"]
    for kind, dtype, allowed in (
        ("lora", "float32", 1e-3), ("full", "float32", 1e-3), ("lora", "bfloat16", 0.02), ("full", "bfloat16", 0.02),
    ):  # fmt: skip
        if small and (dtype == "bfloat16" or kind == "full"):
            continue
        started = time.perf_counter()
        here = losses(kind, dtype, device, 2 if small else asked.STEPS)
        took = time.perf_counter() - started
        each = [abs(a - b) / b for a, b in zip(here, there[kind])]
        off = max(each)
        checks.at_most(f"{kind}, {dtype}: {len(here)} losses, furthest from the CPU's", off, allowed, "relative")
        checks.row(
            "losses", training=f"{kind}, {dtype}", first=here[0], last=here[-1], last_on_cpu=there[kind][len(here) - 1],
            off_in_the_mean=statistics.mean(each), seconds=took,
        )  # fmt: skip


def losses(kind: str, dtype: str, device: str, steps: int = asked.STEPS) -> list[float]:
    """The losses of the training worker's trainer on SmolLM2; an adapter's first matrices are drawn on the CPU."""
    from harness import Lora
    from harness.models.loading.load import load_model, load_tokenizer
    from harness.worker.places import Directory

    place = Directory(str(setting.smollm2()))
    tokenizer = load_tokenizer(place)
    base = "bfloat16" if dtype == "bfloat16" and kind == "lora" else "float32"
    model = load_model(place, device="cpu", dtype=base)
    torch.manual_seed(0)
    model = adapted(model, RANK).to(device) if kind == "lora" else model.to(device)
    rows = asked.training_rows(tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(
            learning_rate=asked.RATES[kind], schedule="constant", epochs=1, effective_batch_size=asked.ROWS,
            precision=dtype, adapter=Lora(rank=RANK) if kind == "lora" else None, max_length=LENGTH,
        )  # fmt: skip
        trainer = trainer_on(model, tokenizer, rows, Path(folder), device, settings, asked.MICRO)
        trainer.args.max_steps = steps
        trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def settings_of(**settings: Any) -> Any:
    """How the training worker is to fine-tune."""
    from harness import Dataset, Embedded, Finetune, Mix

    rows = Dataset(name="instructions", mini=Embedded("instructions")).rows()
    return Finetune(data=Mix(rows), **settings).settings


def adapted(model: Any, rank: int) -> Any:
    """The model with a new adapter on all linear layers, as recipes have it."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", bias="none", task_type="CAUSAL_LM")
    return get_peft_model(model, settings)


def trainer_on(
    model: Any, tokenizer: Any, rows: list[Any], folder: Path, device: str, settings: Any, micro: int
) -> Any:
    """The training worker's own trainer, over the rows; it saves nothing."""
    from datasets import Dataset
    from transformers.trainer_utils import SaveStrategy
    from trl import SFTConfig

    from harness.training.finetuning.finetune import PINNED, FiniteSFTTrainer
    from harness.training.shared.arguments import arguments
    from harness.training.shared.packing import Packing
    from harness.worker.messages import TrainingTask

    task = TrainingTask(
        makes="x", name="gpu", kind="finetune", settings=settings, device=device, micro_batch_size=micro
    )
    settled = arguments(folder, task, model, [row["input_ids"] for row in rows], SFTConfig, **PINNED)
    settled.save_strategy = SaveStrategy.NO
    trainer = FiniteSFTTrainer(
        model=model,
        args=settled,
        train_dataset=Dataset.from_list(rows),
        data_collator=Packing(model, tokenizer.pad_token_id),
        processing_class=tokenizer,
    )
    trainer.model_accepts_loss_kwargs = True
    trainer.rows_of_step = settings.effective_batch_size
    return trainer


# ---- published sizes ----------------------------------------------------------------------------------


class Size(NamedTuple):
    """One published training: its base, and how it is trained."""

    name: str
    base: str
    rank: int | None  # of the adapter; None: all weights
    micro: int
    nf4: bool = False
    share: float = 1.0  # of the card's memory that it may take


SIZES = (
    Size("3B LoRA", "meta-llama/Llama-3.2-3B-Instruct", RANK, 4),
    Size("8B LoRA", "meta-llama/Llama-3.1-8B-Instruct", RANK, 2),
    Size("1.1B full", "TinyLlama/TinyLlama-1.1B-Chat-v1.0", None, 1),
    Size("3B QLoRA", "meta-llama/Llama-3.2-3B-Instruct", RANK, 2, nf4=True),
    Size("8B LoRA in 30 % of the card", "meta-llama/Llama-3.1-8B-Instruct", RANK, 2, share=0.3),
)
MICRO_STEPS = 4  # micro-batches in an optimizer step, five steps


def published_size(checks: Checks, size: Size, device: str) -> None:
    """Five optimizer steps on random weights: the memory they take against the plan's estimate, and their speed."""
    from harness import Lora
    from harness.models.loading.load import load_tokenizer
    from harness.models.tools.energy import EnergyMeter
    from harness.worker.places import Directory

    emptied()
    torch.cuda.set_per_process_memory_fraction(size.share)
    before = torch.cuda.memory_allocated()
    tokenizer = load_tokenizer(Directory(str(setting.smollm2())))
    started = time.perf_counter()
    model = random_model(size, device)
    made = time.perf_counter() - started
    count = size.micro * MICRO_STEPS
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(1000, 30_000, (5 * count, LENGTH), generator=generator).tolist()
    rows = [{"input_ids": ids, "labels": ids} for ids in drawn]
    torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(
            learning_rate=1e-5, schedule="constant", epochs=1, effective_batch_size=count, precision="bfloat16",
            adapter=Lora(rank=size.rank) if size.rank else None, max_length=LENGTH,
        )  # fmt: skip
        trainer = trainer_on(model, tokenizer, rows, Path(folder), device, settings, size.micro)
        times: list[float] = []
        trainer.add_callback(_clock(times))
        meter, watch = EnergyMeter(device), PowerWatch()
        trainer.train()
        joules, watched = meter.joules(), watch.joules()
    step = statistics.median(b - a for a, b in zip(times, times[1:]))
    peak, reserved = torch.cuda.max_memory_allocated() - before, torch.cuda.max_memory_reserved() - before
    planned = estimate(size)
    checks.row(
        "published sizes", training=size.name, allocated_gib=peak / GIB, reserved_gib=reserved / GIB,
        planned_gib=planned / GIB, recomputes=trainer.args.gradient_checkpointing, tokens_per_second=count * LENGTH / step,
        joules=joules, joules_by_nvidia_smi=watched, seconds_to_make=made,
    )  # fmt: skip
    if not trainer.args.gradient_checkpointing:
        checks.at_most(f"{size.name}: memory against the plan's", 100 * abs(planned - peak) / peak, 15, "%")
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    checks.that(
        f"{size.name}: losses are finite", all(map(math.isfinite, losses)), f"{losses[0]:.2f} to {losses[-1]:.2f}"
    )
    del trainer, model
    emptied()
    torch.cuda.set_per_process_memory_fraction(1.0)


def random_model(size: Size, device: str) -> Any:
    """A model of the published shape with random weights, made on the device."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from harness.jobs.published import PUBLISHED

    shape = PUBLISHED[size.base]
    config = LlamaConfig(
        hidden_size=shape.hidden_size, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads, intermediate_size=shape.intermediate_size,
        vocab_size=shape.vocabulary_size, max_position_embeddings=4096, tie_word_embeddings=shape.tied_embeddings,
    )  # fmt: skip
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if size.rank is None else torch.bfloat16)
    try:
        with torch.device(device):
            model: Any = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    if size.nf4:
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            del model
            emptied()
            model = _quantized(folder, device)
    return model if size.rank is None else adapted(model, size.rank)


def _quantized(folder: str, device: str) -> Any:
    """The saved model as QLoRA's base."""
    from peft import prepare_model_for_kbit_training

    from harness import Quantization
    from harness.models.loading.load import load_model
    from harness.worker.places import Directory

    base = load_model(Directory(folder), device=device, dtype="bfloat16", quantization=Quantization())
    return prepare_model_for_kbit_training(base, use_gradient_checkpointing=False)


def estimate(size: Size) -> int:
    """What `harness plan` says of it, in bytes."""
    from harness import Lora
    from harness.jobs.published import PUBLISHED
    from harness.worker.sizes import training_memory

    adapter = Lora(rank=size.rank) if size.rank else None
    return training_memory(PUBLISHED[size.base], size.micro * LENGTH, adapter=adapter, nf4=size.nf4).total


def _clock(times: list[float]) -> Any:
    """A callback that notes when each step ends."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            torch.cuda.synchronize()
            times.append(time.perf_counter())

    return Clock()


class PowerWatch:
    """The card's power by nvidia-smi, ten times a second, summed up."""

    def __init__(self) -> None:
        self.done, self.samples = threading.Event(), []  # type: ignore[var-annotated]
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        command = ["nvidia-smi", "--query-gpu=power.draw.instant", "--format=csv,noheader,nounits", "-lms", "100"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                self.samples.append((time.perf_counter(), float(line)))
                if self.done.is_set():
                    process.terminate()
                    return

    def joules(self) -> float | None:
        """Energy so far."""
        self.done.set()
        self.thread.join(timeout=2)
        pairs = zip(self.samples, self.samples[1:])
        return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairs) if len(self.samples) > 1 else None


def emptied() -> None:
    """Give back what nothing holds any more."""
    gc.collect()
    torch.cuda.empty_cache()


# ---- a kill -------------------------------------------------------------------------------------------


def kill_and_resume(checks: Checks, device: str) -> None:
    """The training worker killed twice, and started again, against one left alone: the same weights."""
    from safetensors.torch import load_file

    with tempfile.TemporaryDirectory() as store:
        alone, killed = (_task(Path(store), name, device) for name in ("alone", "killed"))
        _finish(alone)
        for step in (3, 7):
            process = _start(killed)
            _await_step(killed, step, process)
            process.send_signal(signal.SIGKILL)
            process.wait()
        _finish(killed)
        a, b = (load_file(folder / "made" / "adapter_model.safetensors") for folder in (alone, killed))
    off = max(float((a[name] - b[name]).abs().max()) for name in a)
    largest = max(float(one.abs().max()) for one in a.values())
    checks.at_most("killed at steps 3 and 7: furthest weight from one left alone", off / largest, 0, "of the largest")


def _task(store: Path, key: str, device: str) -> Path:
    """A training task's folder, as a session writes it."""
    from harness import Lora
    from harness.worker.messages import HELD_OUT, ROWS, TASK, TrainingTask, send
    from harness.worker.places import Directory

    folder = store / "checkpoints" / f"{key}.partial"
    folder.mkdir(parents=True)
    rows = [
        {"id": str(i), "source": "t", "origin": f"t:{i}", "messages": [
            {"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["output"]}]}
        for i, row in enumerate(asked.instructions()[:48])
    ]  # fmt: skip
    for name, some in ((ROWS, rows), (HELD_OUT, rows[:4])):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in some))
    settings = settings_of(
        learning_rate=1e-3, epochs=1, effective_batch_size=4, adapter=Lora(rank=8, dropout=0.1), max_length=256
    )
    task = TrainingTask(
        makes=key, name=key, kind="finetune", base=Directory(str(setting.smollm2())), base_name="base",
        settings=settings, micro_batch_size=2, save_steps=2, device=device,
    )  # fmt: skip
    send(folder / TASK, task)
    return folder


def _start(folder: Path) -> subprocess.Popen[bytes]:
    from harness.environment import child_environment

    with (folder / "worker.log").open("ab") as log:
        command = [sys.executable, "-m", "harness.training", str(folder)]
        return subprocess.Popen(command, env=child_environment(), stdout=log, stderr=log)


def _finish(folder: Path) -> None:
    if _start(folder).wait(timeout=120) != 0:
        raise RuntimeError((folder / "worker.log").read_text()[-1000:])


def _await_step(folder: Path, step: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the log has that step."""
    while True:
        lines = (folder / "log.jsonl").read_text().splitlines() if (folder / "log.jsonl").exists() else []
        if lines and json.loads(lines[-1]).get("step", 0) >= step:
            return
        if process.poll() is not None:
            raise RuntimeError((folder / "worker.log").read_text()[-1000:])
        time.sleep(0.02)
