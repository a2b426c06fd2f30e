"""A warm session against an empty one and against one after a scorer was edited: nothing to train, nothing to ask.

    python benchmarks/warm.py [-k "wiki_only or with_kilt"] [--rounds 7]

Runs in turn, as whole processes with Python's own caches: the session (made once if it is missing; without -k all
recipes and suites, at scale tiny), an empty pytest session, and the session after the scorer of the 260 samples of
`tone` was edited, which scores stored answers again, judges the claims and draws the report. Prints medians, the ratio
of the first two (aim: at most 2.5), and the seconds between the first and the third (aim: at most 2).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time

ROOT = Path(__file__).parent.parent
PROJECT = ("conftest.py", "pyproject.toml", "recipes", "suites")
EDITED = """def edited(sample, output):
    scores = tone_of_answer(sample, output)
    return scores | {{"conversational": scores["conversational"] * {factor}}}


TONE = Suite("""


def edit(suite: Path, original: str, number: int) -> None:
    """Give the suite of tone a scorer that no session has seen."""
    factor = f"{1 - number / 1000 - time.time() % 1 / 10_000:.9f}"
    text = original.replace("TONE = Suite(", EDITED.format(factor=factor))
    suite.write_text(text.replace("scorer=tone_of_answer", "scorer=edited"))


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
    with tempfile.TemporaryDirectory() as folder:
        project, empty = Path(folder, "project"), Path(folder, "empty")
        for path in (project, empty):
            path.mkdir()
        for name in PROJECT:
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, project / name)
        (empty / "test_empty.py").write_text("def test_nothing():\n    pass\n")
        selected = ["-k", given.selected] if given.selected else []
        warm = ["suites/", "--scale", "tiny", "--store", str(ROOT / ".bench/store"), *selected]
        return compared(warm, project, empty, given.rounds)


def compared(warm: list[str], project: Path, empty: Path, rounds: int) -> int:
    """Run the three sessions in turn and print what they took; 1 where the first is not warm."""
    seconds(warm, project)  # whatever is missing is made now
    check = subprocess.run(
        [sys.executable, "-m", "pytest", *warm], cwd=project, capture_output=True, text=True, check=False
    )
    if "to train:" in check.stdout or "to score" in check.stdout:
        print("the session is not warm:\n" + check.stdout)
        return 1
    suite = project / "suites" / "test_tone.py"
    original = suite.read_text()
    times: dict[str, list[float]] = {"warm session": [], "empty session": [], "edited scorer": []}
    for number in range(1, rounds + 1):
        times["empty session"].append(seconds([], empty))
        edit(suite, original, number)
        times["edited scorer"].append(seconds(warm, project))
        times["warm session"].append(seconds(warm, project))
    medians = {name: statistics.median(found) for name, found in times.items()}
    for name, found in times.items():
        print(f"{name:>14}: median {medians[name]:.2f} s, {min(found):.2f} to {max(found):.2f} s over {rounds} runs")
    beyond = statistics.median(
        edited - warm for edited, warm in zip(times["edited scorer"], times["warm session"], strict=True)
    )
    print(f"         ratio: {medians['warm session'] / medians['empty session']:.2f} (aim: at most 2.5)")
    print(f"         edited scorer over warm: {beyond:.2f} s (aim: at most 2)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
