"""Chunks out of core against plain Python: rows a second and peak memory, each in a process of its own.

    python benchmarks/chunks.py --input chunks.jsonl [--rows 1000000] [--max-chunks N] [--rounds 1]

Makes that many rows of the real ones, with ids, addresses and texts of their own, in a temporary folder. Plain
Python reads them with `json`, filters by length, drops exact duplicates with a set, shuffles and writes; it does not
check or cut. Both write all chunks they find, or `--max-chunks`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from itertools import count

ROOT = Path(__file__).parent.parent
MIN_CHARS, MAX_CHARS, EVAL_RATIO = 200, 1600, 0.02


def write_rows(source: Path, target: Path, wanted: int) -> int:
    """`wanted` rows, the source's again and again, each time with new ids, addresses and text; how many were real."""
    real = [json.loads(line) for line in source.read_text("utf-8").splitlines()]
    with target.open("w", encoding="utf-8") as file:
        written = 0
        for copy in count():
            for row in real[: wanted - written]:
                again = {"text": f"{row['text']} (Copy {copy}.)", "chunk_id": f"{row['chunk_id']}-{copy}"}
                again["url"] = f"{row['url']}?copy={copy}"
                file.write(json.dumps({**row, **again}, ensure_ascii=False) + "\n")
            written += len(real[: wanted - written])
            if written == wanted:
                return min(len(real), wanted)


def plain(source: Path, folder: Path, max_chunks: int) -> None:
    """Read, filter, drop duplicates, shuffle, split and write, all in memory."""
    rows, seen = [], set()
    with source.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            text = " ".join(row["text"].split())
            if MIN_CHARS <= len(text) <= MAX_CHARS and text not in seen:
                seen.add(text)
                rows.append(
                    {
                        "text": row["text"], "source_url": row["url"], "chunk_id": row["chunk_id"],
                        "section_path": row["section_path"], "title": row["title"],
                    }
                )  # fmt: skip
    random.Random(0).shuffle(rows)
    rows = rows[:max_chunks]
    held_out = round(len(rows) * EVAL_RATIO)
    for name, part in (("eval.jsonl", rows[:held_out]), ("train.jsonl", rows[held_out:])):
        with (folder / name).open("w", encoding="utf-8") as file:
            for row in part:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def measured(command: list[str]) -> tuple[float, int]:
    """Wall-clock seconds and peak resident bytes of one process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return time.perf_counter() - started, usage.ru_maxrss * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--max-chunks", type=int)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--plain", nargs=2, type=Path, help=argparse.SUPPRESS)  # the process that is measured
    asked = parser.parse_args()
    max_chunks = str(asked.max_chunks or 10 * asked.rows)
    if asked.plain:
        plain(*asked.plain, int(max_chunks))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source, written = folder / "rows.jsonl", {}
        real = write_rows(asked.input, source, asked.rows)
        print(
            f"{asked.rows:,} rows of {real:,} real ones, {source.stat().st_size / 2**20:,.0f} MiB; {os.cpu_count()} cores"
        )
        print(f"{'':>20} {'seconds':>8} {'rows/s':>9} {'peak memory':>12} {'chunks':>10}")
        for _ in range(asked.rounds):
            for name in ("harness data chunks", "plain Python"):
                made = folder / name.split()[0]
                made.mkdir(exist_ok=True)
                harness = [
                    "-m", "harness", "data", "chunks", str(source), "--output-dir", str(made),
                    "--min-chars", str(MIN_CHARS), "--max-chars", str(MAX_CHARS), "--eval-ratio", str(EVAL_RATIO),
                ]  # fmt: skip
                again = [__file__, "--input", str(asked.input), "--plain", str(source), str(made)]
                chosen = harness if name.startswith("harness") else again
                written[name] = measured([sys.executable, *chosen, "--max-chunks", max_chunks])
                chunks = sum(1 for part in ("train", "eval") for _ in (made / f"{part}.jsonl").open("rb"))
                seconds, memory = written[name]
                print(f"{name:>20} {seconds:8.1f} {asked.rows / seconds:9,.0f} {memory / 2**20:8,.0f} MiB {chunks:10,}")
            (ours, our_memory), (theirs, their_memory) = written.values()
            print(f"{'ratio':>20} {'':>8} {theirs / ours:8.2f}x {our_memory / their_memory:11.2f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
