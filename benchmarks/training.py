"""LoRA fine-tuning on Dolly: the training worker's trainer against TRL's SFTTrainer, its defaults and its best flags.

    python benchmarks/training.py --data-root DIR [--model PATH] [--device cuda:0]

All sides train on the same tokenized rows in the same order with the same seed: LoRA of rank 16 on all linear layers,
4 rows a micro-batch, 16 rows an optimizer step. Before anything is timed, the gradient of one optimizer step must equal the sum of the
rows' own gradients to 1e-5, and afterwards the loss curves must agree.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import json
import tempfile
from typing import Any

from benchmarks import setting

ROWS, MICRO, STEP, LENGTH = 480, 4, 16, 1024  # rows in all, a micro-batch, an optimizer step; tokens of a row at most


def dolly(data_root: Path | None, tokenizer: Any, rows: int) -> list[dict[str, list[int]]]:
    """Instructions with their answers, as token ids and labels of the answers alone."""
    from harness.data.reading.rows import EMBEDDED
    from harness.training.finetuning.conversations import conversation_tokens

    if data_root is None:
        lines = [json.loads(line) for line in (EMBEDDED / "instructions.jsonl").open(encoding="utf-8")]
    else:
        lines = [json.loads(line) for line in (data_root / "instructions" / "dolly_6k.jsonl").open(encoding="utf-8")]
    made = []
    for number, row in enumerate(lines[:rows]):
        question = "\n\n".join(filter(None, (row["instruction"], row.get("context") or row.get("input"))))
        answer = row.get("response") or row.get("output")
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        made.append({"origin": f"row {number}", "messages": turns})
    made = [row for row in made if tokenizer_fits(tokenizer, row, LENGTH)]
    return conversation_tokens(made, tokenizer, LENGTH).rows


def tokenizer_fits(tokenizer: Any, row: dict[str, Any], length: int) -> bool:
    """Whether the row's question leaves room for its answer."""
    from harness.models.loading.template import render

    question = render(row["messages"][:1], tokenizer, ask=True)
    return len(tokenizer(question, add_special_tokens=False)["input_ids"]) < length


def fresh_lora(options: Any) -> Any:
    """The model with an untrained adapter; the same on all sides."""
    import torch
    from peft import LoraConfig, get_peft_model

    from harness.models.loading.load import load_model
    from harness.worker.places import Directory

    torch.manual_seed(0)
    model = load_model(Directory(options.model), device=options.device, dtype=options.dtype)
    made = get_peft_model(
        model, LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    return made.train()


def trl(options: Any, tokenizer: Any, rows: list[Any], folder: str, **flags: Any) -> Any:
    """TRL's trainer with its defaults, or with some flags."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(
        output_dir=folder, per_device_train_batch_size=MICRO, gradient_accumulation_steps=STEP // MICRO, seed=0,
        num_train_epochs=1, learning_rate=2e-4, logging_steps=1, report_to=[], disable_tqdm=True, save_strategy="no",
        use_cpu=options.device == "cpu", bf16=options.dtype == "bfloat16", dataset_kwargs={"skip_prepare_dataset": True}, **flags,
    )  # fmt: skip
    return SFTTrainer(
        model=fresh_lora(options), args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    )


def ours(options: Any, tokenizer: Any, rows: list[Any], folder: str) -> Any:
    """The worker's trainer, with the same settings."""
    from datasets import Dataset
    from trl import SFTConfig

    from harness.training.finetuning.finetune import FiniteSFTTrainer
    from harness.training.shared.packing import Packing

    config = SFTConfig(
        output_dir=folder, per_device_train_batch_size=MICRO, gradient_accumulation_steps=STEP // MICRO, seed=0,
        num_train_epochs=1, learning_rate=2e-4, logging_steps=1, report_to=[], disable_tqdm=True, save_strategy="no",
        use_cpu=options.device == "cpu", bf16=options.dtype == "bfloat16", dataset_kwargs={"skip_prepare_dataset": True},
        gradient_checkpointing=False, remove_unused_columns=False, max_length=None,
    )  # fmt: skip
    model = fresh_lora(options)
    trainer = FiniteSFTTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
        data_collator=Packing(model, tokenizer.pad_token_id),
    )  # fmt: skip
    trainer.model_accepts_loss_kwargs = True
    trainer.rows_of_step = config.per_device_train_batch_size * config.gradient_accumulation_steps
    return trainer


def gradient_error(options: Any, tokenizer: Any, rows: list[Any]) -> float:
    """Of one optimizer step, relative: packed, against the rows one by one."""
    import torch

    from harness.training.shared.packing import Packing, target_losses

    model = fresh_lora(options)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    with torch.no_grad():  # an untrained adapter's second matrix is zero, and half of the gradient with it
        for weight in weights:
            weight.add_(0.01)

    def gradient(batches: list[list[Any]]) -> torch.Tensor:
        model.zero_grad()
        for batch in batches:
            if len(batch) == 1:
                ids = torch.tensor([batch[0]["input_ids"]], device=options.device)
                labels = torch.tensor(batch[0]["labels"], device=options.device)
                logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
                torch.nn.functional.cross_entropy(logits, labels[1:], reduction="sum").backward()
            else:
                packed = {name: column.to(options.device) for name, column in pack(batch).items()}
                target_losses(model, model.get_output_embeddings(), packed)[0].sum().backward()
        return torch.cat([weight.grad.flatten() for weight in weights])

    pack = Packing(model, tokenizer.pad_token_id)
    some = rows[:STEP]
    alone = gradient([[row] for row in some])
    together = gradient([some[i : i + MICRO] for i in range(0, STEP, MICRO)])
    return float((together - alone).norm() / alone.norm())


def main() -> None:
    """The table."""
    options = setting.options(__doc__, rows={"type": int, "default": ROWS}, rounds={"type": int, "default": 1})
    from transformers import AutoTokenizer
    from transformers.utils import logging

    from harness.training.shared.packing import NO_ROW, Packing

    logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    rows = dolly(options.data_root, tokenizer, options.rows)
    tokens = sum(len(row["input_ids"]) for row in rows)
    off = gradient_error(options, tokenizer, rows)
    if options.dtype == "float32" and off > 1e-5:
        raise SystemExit(f"the gradient of one packed step is off by {off:.1e}")
    best: dict[str, Any] = {"gradient_checkpointing": False, "train_sampling_strategy": "group_by_length"}
    kinds = {
        "TRL, its defaults": lambda folder: trl(options, tokenizer, rows, folder),
        "TRL, without gradient checkpointing": lambda folder: trl(
            options, tokenizer, rows, folder, gradient_checkpointing=False
        ),
        "TRL, and grouped by length": lambda folder: trl(options, tokenizer, rows, folder, **best),
        "ours": lambda folder: ours(options, tokenizer, rows, folder),
    }
    measured: dict[str, setting.Measured] = {}
    losses: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for name, kind in kinds.items():
            with tempfile.TemporaryDirectory() as folder:
                trainer = kind(folder)
                took = setting.in_turn({name: trainer.train}, 1, options.device)[name]
                measured[name] = min(took, measured.get(name, took))
                losses[name] = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
                del trainer
    apart = max(abs(a - b) / b for a, b in zip(losses["ours"], losses["TRL, its defaults"], strict=True))
    if options.dtype == "float32" and apart > 1e-3:
        raise SystemExit(f"the loss curves are apart by {apart:.1e}: {losses}")
    pack = Packing(fresh_lora(options), tokenizer.pad_token_id)
    packed = [pack(rows[i : i + MICRO])["rows"] for i in range(0, len(rows), MICRO)]
    full = sum(int((one != NO_ROW).sum()) for one in packed) / sum(one.numel() for one in packed)
    print(
        f"{len(rows)} rows, {tokens:,} tokens, {Path(options.model).name}, {options.dtype}; {setting.machine(options.device)}"
    )
    print(f"gradient of one optimizer step, packed against row by row: {off:.1e} relative; loss curve of {len(losses['ours'])} steps "
          f"against TRL's: {apart:.1e}; lines are filled to {full:.0%}\n")  # fmt: skip
    print("| | tokens/s | ours is faster by | peak memory |")
    print("|---|---|---|---|")
    for name, (seconds, peak) in measured.items():
        faster = seconds / measured["ours"].seconds
        print(f"| {name} | {tokens / seconds:,.0f} | {faster:.2f} | {peak / 2**20:,.0f} MiB |")


if __name__ == "__main__":
    sys.exit(main())
