"""Completions of mixed lengths: HarnessLM against lm-evaluation-harness's `hf`, and against one `generate` a prompt.

    python benchmarks/generation.py --data-root DIR [--model PATH] [--device cuda:0]

Prompts are instructions of Dolly (without data, the embedded ones), in the model's chat template if it has one; an answer ends at a stop string or after
`--new` tokens. The texts of both sides must be equal before anything is printed. `hf` runs at the best of its batch
sizes; one by one is measured on every `--every`th prompt.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import json
import statistics
from typing import Any

from benchmarks import setting


def instructions(data_root: Path | None, count: int) -> list[str]:
    """Instructions of mixed lengths, no longer than 1,200 characters."""
    from harness.data.reading.rows import EMBEDDED

    if data_root is None:
        rows = [json.loads(line) for line in (EMBEDDED / "instructions.jsonl").open(encoding="utf-8")]
    else:
        rows = [json.loads(line) for line in (data_root / "instructions" / "dolly_6k.jsonl").open(encoding="utf-8")]
    found = [" ".join(filter(None, (row["instruction"], row.get("context") or row.get("input")))) for row in rows]
    return [text for text in found if text and len(text) <= 1200][:count]


def asked(texts: list[str], tokenizer: Any) -> list[str]:
    """The texts in the model's chat template, where it has one: without it a chat model ends most of them at once."""
    from harness.models.loading.template import render

    if tokenizer.chat_template is None:
        return texts
    return [render([{"role": "user", "content": text}], tokenizer, ask=True) for text in texts]


def main() -> None:
    """The table."""
    options = setting.options(
        __doc__,
        prompts={"type": int, "default": 192},
        new={"type": int, "default": 64, "help": "new tokens at most"},
        stop={"default": "ing", "help": "the string that ends an answer"},
        every={"type": int, "default": 12},
        rounds={"type": int, "default": 2},
        batch_sizes={"type": int, "nargs": "+", "default": [16, 32, 64]},
    )
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoTokenizer

    from harness.models import HarnessLM

    texts = asked(instructions(options.data_root, options.prompts), AutoTokenizer.from_pretrained(options.model))
    given = {"until": [options.stop], "max_gen_toks": options.new, "do_sample": False}
    requests = [Instance("generate_until", {}, (text, given), number) for number, text in enumerate(texts)]
    settings = {"pretrained": options.model, "device": options.device, "dtype": options.dtype}
    mine = HarnessLM(**settings)
    sizes = {size: HFLM(**settings, batch_size=size) for size in options.batch_sizes}
    found: dict[str, Any] = {}

    def run(side: str, lm: Any, some: list[Any]) -> None:
        found[side] = lm.generate_until(some, disable_tqdm=True)

    one = HFLM(**settings, batch_size=1)
    few = requests[:: options.every]
    probe = {size: (lambda lm=lm: lm.generate_until(requests[:64], disable_tqdm=True)) for size, lm in sizes.items()}
    tried = setting.in_turn(probe, 1, options.device)
    best = min(tried, key=lambda size: tried[size].seconds)
    sides = {
        "ours": lambda: run("ours", mine, requests),
        f"hf, batch {best}": lambda: run("hf", sizes[best], requests),
        "one by one": lambda: run("one by one", one, few),
    }
    measured = setting.in_turn(sides, options.rounds, options.device)
    times = {side: one.seconds for side, one in measured.items()}
    different = [
        number for number, pair in enumerate(zip(found["ours"], found["hf"], strict=True)) if pair[0] != pair[1]
    ]
    alone = [number for number, text in zip(range(0, len(texts), options.every), found["one by one"], strict=True)
             if found["ours"][number] != text]  # fmt: skip
    if options.dtype == "float32" and alone:
        raise SystemExit(f"{len(alone)} of {len(few)} texts differ from those of one prompt at a time: {alone}")
    counts = [len(mine.tok_encode(text)) for text in found["ours"]]
    rates = {
        "ours": sum(counts) / times["ours"],
        f"hf, batch {best}": sum(counts) / times[f"hf, batch {best}"],
        "one by one": sum(counts[:: options.every]) / times["one by one"],
    }
    print(f"{len(texts)} prompts, {Path(options.model).name}, {options.dtype}; {setting.machine(options.device)}")
    print(f"answers: {statistics.median(counts):.0f} tokens in the median, {min(counts)} to {max(counts)}; equal to those "
          f"of one prompt at a time: {len(few)} of {len(few)} compared; to hf's: {len(texts) - len(different)} of {len(texts)}\n")  # fmt: skip
    print(f"| | new tokens/s | ours is faster by | peak memory, {len(sizes) + 2} models loaded |")
    print("|---|---|---|---|")
    for side, rate in rates.items():
        peak = measured[side].peak_bytes / 2**20
        print(f"| {side} | {rate:,.0f} | {rates['ours'] / rate:.2f} | {peak:,.0f} MiB |")


if __name__ == "__main__":
    sys.exit(main())
