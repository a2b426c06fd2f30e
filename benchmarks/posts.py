"""How fast `harness data stackexchange` reads a dump, and in how much memory.

    python benchmarks/posts.py [--posts 5000000] [--min-score 20]

Writes a Posts.xml of so many posts in the documented schema (one question in three, with bodies made from the embedded
statistics questions and answers, so of their lengths), then has the command read it in a process of its own. With
`--archive` the same from a .7z of a fifth as many, which takes long to be compressed.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.setting import machine
from tests.dumps import answer, question, write_dump

TAGS = ("regression", "anova", "bayesian", "time-series", "r", "probability", "sampling", "survival")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=5_000_000)
    parser.add_argument("--min-score", type=int, default=20)
    parser.add_argument("--archive", action="store_true")
    given = parser.parse_args()
    print(machine("cpu"), "\n")
    with tempfile.TemporaryDirectory(dir=ROOT) as name:
        folder = Path(name)
        dump = write_dump(folder / "Posts.xml", posts(given.posts))
        report(dump, given.posts, given.min_score)
        if given.archive:
            report(archived(folder, given.posts // 5), given.posts // 5, given.min_score)


def posts(count: int):  # type: ignore[no-untyped-def]
    """So many posts: questions, each with two answers, scores as skewed as votes are."""
    drawn = random.Random(0)
    corpus = ROOT / "harness" / "data" / "mini" / "statistics_qa.jsonl"
    texts = [json.loads(line) for line in corpus.read_text().splitlines()]
    bodies = ["".join(f"<p>{escape(text)}</p>\n" for text in [row["question"], row["answer"]] * 2) for row in texts]
    for own in range(1, count + 1):
        body, score = bodies[drawn.randrange(len(bodies))], int(drawn.paretovariate(1.0)) - 1
        if own % 3 == 1:
            tags = "".join(f"<{tag}>" for tag in drawn.sample(TAGS, 3))
            yield question(own, Body=body, Score=score, Tags=tags, AcceptedAnswerId=own + 1)
        else:
            yield answer(own, own - (own - 1) % 3, score, Body=body)


def archived(folder: Path, count: int) -> Path:
    """A .7z with so many posts."""
    import py7zr

    small = write_dump(folder / "small.xml", posts(count))
    with py7zr.SevenZipFile(folder / "site.7z", "w") as archive:
        archive.write(small, "Posts.xml")
    return folder / "site.7z"


def report(dump: Path, count: int, min_score: int) -> None:
    """Read the dump in a process of its own and print a line about it."""
    command = [sys.executable, "-c", MEASURED, str(dump), str(dump.with_name("rows.jsonl")), str(min_score)]
    started = time.perf_counter()
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    seconds = time.perf_counter() - started
    rows, peak = told.split()
    size = dump.stat().st_size / 2**30
    print(
        f"{dump.suffix}: {count:,} posts, {size:.1f} GiB, {int(rows):,} rows written: {seconds:.0f} s, "
        f"{count / seconds:,.0f} posts/s, {int(peak) / 1024:,.0f} MiB at most",
        flush=True,
    )


MEASURED = """
import resource, sys
from pathlib import Path
from harness.data.building.dump import Dump
from harness.data.building.stackexchange import Wanted, build
built = build(Dump(Path(sys.argv[1])), Path(sys.argv[2]), "stats.stackexchange.com", Wanted(("regression",), int(sys.argv[3])))
print(built.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


if __name__ == "__main__":
    main()
