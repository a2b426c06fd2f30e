"""A warm session against an empty one and against one after a scorer was edited: nothing to train, nothing to ask.

    python benchmarks/warm.py [-k "wiki_only or with_kilt"] [--rounds 7]

Runs in turn, as whole processes with Python's own caches: the session (made once if it is missing; without -k all
recipes and suites, at scale tiny), an empty pytest session, and the session after the scorer of the 260 samples of
`tone` was edited, which scores stored answers again, judges the claims and draws the report. Prints medians, the ratio
of the first two (aim: at most 2.5), and how much later than in the first the verdicts stand in the third (aim: at most
2 seconds), and it ends.
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
from typing import NamedTuple

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


class Took(NamedTuple):
    """One pytest process: wall-clock seconds until its last test, and until its end; and what it said."""

    tests: float
    whole: float
    said: str


def run(arguments: list[str], folder: Path) -> Took:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    said, tests = b"", 0.0
    command = [sys.executable, "-m", "pytest", *arguments]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE) as process:
        while piece := os.read(process.stdout.fileno(), 65536):  # type: ignore[union-attr]
            said += piece
            if not tests and b"[100%]" in said:  # its line ends only after the report
                tests = time.perf_counter() - started
    return Took(tests, time.perf_counter() - started, said.decode())


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
    """Run the three sessions in turn and print what they took; 1 where one was not what it should be."""
    run(warm, project)  # whatever is missing is made now
    suite = project / "suites" / "test_tone.py"
    original = suite.read_text()
    took: dict[str, list[Took]] = {"empty session": [], "edited scorer": [], "warm session": []}
    for number in range(1, rounds + 1):
        took["empty session"].append(run([], empty))
        edit(suite, original, number)
        took["edited scorer"].append(run(warm, project))
        took["warm session"].append(run(warm, project))
        edited, again = took["edited scorer"][-1].said, took["warm session"][-1].said
        if "to score from stored answers" not in edited or "to train:" in edited + again or "to score" in again:
            print(f"not a session that only scores, or not a warm one after it:\n{edited}\n{again}")
            return 1
    wholes = {name: [one.whole for one in found] for name, found in took.items()}
    medians = {name: statistics.median(found) for name, found in wholes.items()}
    for name, found in wholes.items():
        print(f"{name:>14}: median {medians[name]:.2f} s, {min(found):.2f} to {max(found):.2f} s over {rounds} runs")
    pairs = list(zip(took["edited scorer"], took["warm session"], strict=True))
    verdicts = statistics.median(edited.tests - again.tests for edited, again in pairs)
    end = statistics.median(edited.whole - again.whole for edited, again in pairs)
    print(f"         ratio: {medians['warm session'] / medians['empty session']:.2f} (aim: at most 2.5)")
    print(f"         edited scorer over warm: verdicts {verdicts:.2f} s later (aim: at most 2), the end {end:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
