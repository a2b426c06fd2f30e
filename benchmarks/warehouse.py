"""A million sample rows: into the results file, and a report over them.

python benchmarks/warehouse.py [--rows 1000000] [--folder DIR]

Makes a store of 10 recipes x 9 suites with made-up answers of 20 to 60 words (not timed), then times what a session
does at its end: the ingest into DuckDB, reading what the report shows, and writing the page and the Markdown.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse
import hashlib
import json
import platform
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pyarrow
import pyarrow.parquet

from harness import warehouse
from harness.report.load import load
from harness.report.markdown import write_markdown
from harness.report.page import write_html
from harness.store import Store
from harness.store.sessions import SessionRows, write_session

RECIPES = [f"recipe_{i}" for i in range(10)]
SUITES = ["openbookqa", "holdout", "recall", "tone", "classification", "critical", "retention", "stability", "training"]
WORDS = [
    "the",
    "a",
    "of",
    "and",
    "in",
    "to",
    "is",
    "was",
    "are",
    "for",
    "with",
    "on",
    "by",
    "from",
    "at",
    "it",
    "an",
    "as",
    "this",
    "that",
    "city",
    "river",
    "mountain",
    "large",
    "small",
    "old",
    "new",
    "north",
    "south",
    "east",
    "west",
    "capital",
    "century",
    "people",
    "island",
    "country",
    "war",
    "king",
    "science",
    "water",
    "light",
    "energy",
    "number",
    "first",
    "second",
    "known",
    "called",
    "found",
    "made",
    "built",
    "written",
    "used",
    "between",
    "after",
    "before",
    "under",
    "over",
    "near",
    "part",
    "system",
    "theory",
]
RUN = "20260301T120000-aaaaaa"
ENVIRONMENT: dict[str, Any] = {"python": platform.python_version()}


def main() -> None:
    """Make the store, print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=None, help="default: a temporary one")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="warehouse-"))
    store = Store(folder / "store")
    fill(store, options.rows)
    results = folder / "results.duckdb"
    results.unlink(missing_ok=True)
    with warehouse.connect(results) as connection:
        ingest, _ = timed(lambda: warehouse.ingest(connection, store))
        rows = connection.execute("SELECT count(*) FROM samples").fetchone()[0]
        reading, content = timed(lambda: load(connection))
    html, _ = timed(lambda: write_html(content, folder / "report.html"))
    markdown, _ = timed(lambda: write_markdown(content, folder / "report.md"))
    again, _ = timed(lambda: ingest_again(results, store))
    print(f"{rows:,} sample rows of {len(RECIPES)} recipes x {len(SUITES)} suites; DuckDB {version('duckdb')}, "
          f"{platform.processor() or platform.machine()}")  # fmt: skip
    print(f"{'ingest':28}{ingest:8.1f} s   {results.stat().st_size / 2**20:,.0f} MiB")
    print(f"{'ingest of nothing new':28}{again:8.1f} s")
    print(f"{'report':28}{reading + html + markdown:8.1f} s   {(folder / 'report.html').stat().st_size / 1e6:.2f} MB")
    print(f"{'  reading':28}{reading:8.1f} s")
    print(f"{'  page':28}{html:8.1f} s")
    print(f"{'  Markdown':28}{markdown:8.1f} s")
    if options.folder is None:
        shutil.rmtree(folder)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def ingest_again(results: Path, store: Store) -> None:
    """What a session costs that measured nothing."""
    with warehouse.connect(results) as connection:
        warehouse.ingest(connection, store)


def key_of(name: str) -> str:
    """A key like that of an artifact of that name."""
    return hashlib.sha256(name.encode()).hexdigest()


def fill(store: Store, rows: int) -> None:
    """The store of one session, with so many samples in all; nothing where it is there."""
    generator = random.Random(0)
    each = rows // (len(RECIPES) * len(SUITES))
    sentences = [" ".join(generator.choices(WORDS, k=generator.randint(20, 60))) for _ in range(20_000)]
    subjects, measured = [], []
    for recipe in RECIPES:
        checkpoint = key_of(recipe)
        subjects.append(
            {"run_id": RUN, "subject": f"{recipe}-mini", "recipe": recipe, "variant": "mini", "seed": 0,
             "settings": "[]", "fingerprint": checkpoint}
        )  # fmt: skip
        publish_checkpoint(store, checkpoint)
        for suite in SUITES:
            key = key_of(f"{recipe} {suite}")
            measured.append({"run_id": RUN, "subject": f"{recipe}-mini", "suite": suite, "evaluation": key})
            if store.get("evaluations", key) is None:
                publish_evaluation(store, key, checkpoint, recipe, suite, each, sentences, generator)
    run = {"run_id": RUN, "started_at": "2026-03-01T12:00:00.000", "seconds": 60.0, "scale": "mini", "devices": "cpu",
           "trained": 10, "evaluated": 90, "environment": json.dumps(ENVIRONMENT)}  # fmt: skip
    write_session(store.root, SessionRows(run, subjects, [], measured))


def publish_checkpoint(store: Store, key: str) -> None:
    """A checkpoint without weights: its log and its record."""
    if store.get("checkpoints", key) is not None:
        return
    made = store.work("checkpoints", key) / "made"
    made.mkdir(exist_ok=True)
    log = ({"step": i, "loss": 5 - i / 100, "tokens": 1000 * i, "seconds": i / 10} for i in range(200))
    (made / "training_log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    record = {
        "train_seconds": 20.0,
        "tokens": 199_000,
        "optimizer_steps": 200,
        "device": "cpu",
        "environment": ENVIRONMENT,
    }
    store.publish("checkpoints", key, made, {"stage": "finetune", "base": {}, "seed": 0}, record)


def publish_evaluation(
    store: Store, key: str, checkpoint: str, recipe: str, suite: str, n: int, sentences: list[str], draw: random.Random
) -> None:
    """An evaluation of n samples; prompts are the same for every recipe."""
    asked = random.Random(suite)
    acc = [float(draw.random() < 0.3) for _ in range(n)]
    table = pyarrow.table(
        {
            "sample_id": [f"{suite}-{i:06}" for i in range(n)],
            "cluster": pyarrow.nulls(n, pyarrow.string()),
            "prompt": [f"{i}: {asked.choice(sentences)}?" for i in range(n)],
            "target": [asked.choice(WORDS) for _ in range(n)],
            "completion": [f"{draw.choice(sentences)}. {draw.choice(WORDS)}" for _ in range(n)],
            "scores": [json.dumps({"acc": score, "words": float(draw.randint(20, 60))}) for score in acc],
        }
    )
    made = store.work("evaluations", key) / "made"
    made.mkdir(exist_ok=True)
    pyarrow.parquet.write_table(table, made / "samples.parquet", compression="zstd")
    mean = sum(acc) / n
    metrics = {"acc": {"estimate": mean, "low": mean - 0.01, "high": mean + 0.01, "n": n, "method": "Wilson"}}
    record = {"subject": f"{recipe}-mini", "scale": "mini", "samples": n, "seconds": 10.0, "tokens": 50 * n,
              "metrics": metrics, "device": "cpu", "environment": ENVIRONMENT, "at": str(datetime.now(UTC))}  # fmt: skip
    spec = {"checkpoint": checkpoint, "suite": {"name": suite, "system_prompt": None, "metrics": []}}
    store.publish("evaluations", key, made, spec, record)


if __name__ == "__main__":
    main()
