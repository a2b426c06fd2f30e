"""Training on rows that begin alike: what they share computed once, against packed rows, in turn.

    python benchmarks/sharing.py [--model smollm2] [--rows 64] [--rounds 3]

A LoRA adapter (rank 16, all linear layers), micro-batches of 8 rows, forward and backward over all of them. Three kinds
of rows: short questions under the model's own default system prompt, the same under a system prompt of 300 tokens, and
passages with five questions on each. Prints how many tokens had to be computed, how much faster that was, and how far
the gradients are apart; a ratio counts only where they agree to 1e-5.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import json
from typing import Any

from benchmarks import setting

MICRO, SYSTEM_TOKENS, QUESTIONS = 8, 300, 5  # rows at once; of the long system prompt; on one passage


def main() -> None:
    """The table."""
    options = setting.options(__doc__, rows={"type": int, "default": 64}, rounds={"type": int, "default": 3})
    import torch
    from transformers import AutoTokenizer
    from transformers.utils import logging

    from benchmarks.training import fresh_lora
    from harness.training.shared.packing import Packing, target_losses

    logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = fresh_lora(options)
    with torch.no_grad():  # an untrained adapter's second matrix is zero, and half of the gradient with it
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.01)
    packs = {"packed": Packing(model, tokenizer.pad_token_id), "shared": Packing(model, tokenizer.pad_token_id)}
    packs["packed"].shares = False
    if not packs["shared"].shares:
        raise SystemExit(f"{options.model}: rows of this model cannot share what they begin with")

    def step(batches: list[dict[str, torch.Tensor]]) -> torch.Tensor:
        model.zero_grad()
        for batch in batches:
            here = {name: column.to(options.device) for name, column in batch.items()}
            target_losses(model, model.get_output_embeddings(), here)[0].sum().backward()
        return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.requires_grad])

    print(f"{options.rows} rows, {Path(options.model).name}, {options.dtype}; {setting.machine(options.device)}\n")
    print("| rows | tokens | computed packed | computed shared | shared is faster by | gradients apart by |")
    print("|---|---|---|---|---|---|")
    for name, rows in kinds(options, tokenizer).items():
        made = {side: [pack(rows[i : i + MICRO]) for i in range(0, len(rows), MICRO)] for side, pack in packs.items()}
        gradients = {side: step(batches) for side, batches in made.items()}
        off = float((gradients["shared"] - gradients["packed"]).norm() / gradients["packed"].norm())
        if options.dtype == "float32" and off > 1e-5:
            raise SystemExit(f"{name}: the gradients are apart by {off:.1e}")
        took = setting.in_turn(
            {side: lambda batches=batches: step(batches) for side, batches in made.items()},
            options.rounds,
            options.device,
        )
        sizes = {side: sum(batch["input_ids"].numel() for batch in batches) for side, batches in made.items()}
        print(
            f"| {name} | {sum(len(row['input_ids']) for row in rows):,} | {sizes['packed']:,} | {sizes['shared']:,} | "
            f"{took['packed'].seconds / took['shared'].seconds:.2f} | {off:.1e} |",
            flush=True,
        )


def kinds(options: Any, tokenizer: Any) -> dict[str, list[Any]]:
    """The rows of each kind, as token ids and labels."""
    from harness.data.reading.rows import EMBEDDED
    from harness.training.finetuning.conversations import conversation_tokens

    path = EMBEDDED / "instructions.jsonl"
    if options.data_root is not None:
        path = options.data_root / "instructions" / "dolly_6k.jsonl"
    lines = [json.loads(line) for line in path.open(encoding="utf-8")]
    short = [line for line in lines if not line.get("input") and len(line["output"]) < 200][: options.rows]
    prose = " ".join(str(line["output"]) for line in lines[: 4 * options.rows])
    words = tokenizer.decode(tokenizer(prose)["input_ids"][:SYSTEM_TOKENS])
    passages = [line["output"] for line in lines if 600 < len(line["output"]) < 1500]
    if not passages:
        passages = [" ".join(str(line["output"]) for line in lines[i : i + 12]) for i in range(0, len(lines), 12)]

    def rows(turns: list[list[dict[str, str]]]) -> list[Any]:
        made = [{"origin": f"row {number}", "messages": one} for number, one in enumerate(turns)]
        return conversation_tokens(made, tokenizer, 1024).rows

    asked = [[_turn("user", line["instruction"]), _turn("assistant", line["output"])] for line in short]
    on_passages = [
        [_turn("user", f"{passages[number // QUESTIONS]}\n\n{line['instruction']}"), _turn("assistant", line["output"])]
        for number, line in enumerate(short)
    ]
    return {
        "the model's own default system prompt": rows(asked),
        f"a system prompt of {SYSTEM_TOKENS} tokens": rows([[_turn("system", words), *one] for one in asked]),
        f"{QUESTIONS} questions on a passage": rows(on_passages),
    }


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


if __name__ == "__main__":
    main()
