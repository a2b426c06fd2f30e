"""What SmolLM2 is asked and trained on, from the embedded corpora; and what it gave on a CPU in float32."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import setting

CPU = Path(__file__).with_name("cpu.json")  # written by `benchmarks/gpu.py cpu`
REQUESTS, DOCUMENTS, LENGTH, ANSWERS, NEW = 200, 20, 1500, 64, 64
STEPS, ROWS, MICRO = 20, 4, 2  # optimizer steps, rows in each, rows in a micro-batch
RATES = {"full": 2e-5, "lora": 1e-3}
ROW_TOKENS = 256  # of a training row at most


@cache
def found_on_cpu() -> dict[str, Any]:
    """What `cpu.json` holds."""
    return dict(json.loads(CPU.read_text()))


def engine(device: str, dtype: str, place: Any = None) -> Any:
    """SmolLM2 as suites are asked of it."""
    from harness.models.answering.engine import Engine
    from harness.worker.places import Directory

    return Engine(place or Directory(str(setting.smollm2())), device, dtype)


def requests(tokenizer: Any, count: int = REQUESTS) -> list[Any]:
    """Choices of quiz questions, all after the same five examples."""
    from harness.models.prefixes.trie import Request

    rows = setting.questions(None, "test")
    examples = setting.questions(None, "train")[:5]
    shots = "\n\n".join(f"{row['question_stem']} {_right(row)}" for row in examples)
    made = []
    for row in rows:
        for number, choice in enumerate(row["choices"]["text"]):
            context = tokenizer(f"{shots}\n\n{row['question_stem']}")["input_ids"]
            made.append(Request(f"{row['id']}/{number}", context, tokenizer(f" {choice}")["input_ids"]))
    if len(made) < count:
        raise SystemExit(f"the embedded quiz gives {len(made)} requests, {count} are asked for")
    return made[:count]


def _right(row: dict[str, Any]) -> str:
    return str(row["choices"]["text"][row["choices"]["label"].index(row["answerKey"])])


def documents(tokenizer: Any, count: int = DOCUMENTS) -> list[Any]:
    """Stories written one after the other, cut every `LENGTH` tokens."""
    from harness.data.reading.rows import EMBEDDED
    from harness.models.prefixes.trie import Request

    rows = [json.loads(line) for line in (EMBEDDED / "stories.jsonl").open(encoding="utf-8")]
    ids = tokenizer("\n\n".join(row["text"] for row in rows))["input_ids"]
    cut = [ids[start : start + LENGTH] for start in range(0, count * LENGTH, LENGTH)]
    if len(cut[-1]) < LENGTH:
        raise SystemExit(f"the embedded stories have {len(ids)} tokens, {count * LENGTH} are asked for")
    return [Request(f"document {number}", own[:1], own[1:]) for number, own in enumerate(cut)]


def instructions() -> list[dict[str, Any]]:
    """Instructions with their answers."""
    from harness.data.reading.rows import EMBEDDED

    return [json.loads(line) for line in (EMBEDDED / "instructions.jsonl").open(encoding="utf-8")]


def prompts(one: Any, count: int = ANSWERS) -> list[list[int]]:
    """Instructions as an engine's chat template asks them."""
    return [one.prompt_ids(row["instruction"]) for row in instructions()[:count]]


def training_rows(tokenizer: Any, steps: int = STEPS) -> list[dict[str, list[int]]]:
    """Conversations as token ids and labels, enough for the steps."""
    from harness.training.finetuning.conversations import conversation_tokens

    made = []
    for number, row in enumerate(instructions()[-steps * ROWS :]):
        turns = [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["output"]}]
        made.append({"origin": f"row {number}", "messages": turns})
    return list(conversation_tokens(made, tokenizer, ROW_TOKENS).rows)
