"""A warm session against an empty one: nothing to train, nothing to measure, only verdicts to judge.

    python benchmarks/warm.py [-k "wiki_only or with_kilt"] [--rounds 7]

Runs the session (made once if it is missing; without -k all recipes and suites, at scale tiny) and an empty pytest session in
turn, as whole processes with Python's own caches, and prints the ratio of their medians. The aim is at most 2.5.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse
import os
import statistics
import subprocess
import tempfile
import time

ROOT = Path(__file__).parent.parent


def seconds(arguments: list[str], folder: Path) -> float:
    """Wall-clock seconds of one pytest process."""
    started = time.perf_counter()
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], cwd=folder, env=environment, capture_output=True, check=False
    )
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("-k", dest="selected", help="as pytest's")
    given = parser.parse_args()
    rounds, warm = given.rounds, ["suites/", "--scale", "tiny", *(["-k", given.selected] if given.selected else [])]
    seconds(warm, ROOT)  # whatever is missing is made now
    check = subprocess.run(
        [sys.executable, "-m", "pytest", *warm], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if "to train:" in check.stdout:
        print("the session is not warm:\n" + check.stdout)
        return 1
    times: dict[str, list[float]] = {"warm session": [], "empty session": []}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_empty.py").write_text("def test_nothing():\n    pass\n")
        for _ in range(rounds):
            times["warm session"].append(seconds(warm, ROOT))
            times["empty session"].append(seconds([], Path(folder)))
    medians = {name: statistics.median(found) for name, found in times.items()}
    for name, found in times.items():
        print(f"{name:>14}: median {medians[name]:.2f} s, {min(found):.2f} to {max(found):.2f} s over {rounds} runs")
    print(f"         ratio: {medians['warm session'] / medians['empty session']:.2f} (aim: at most 2.5)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
