"""The demo's verdicts, over training seeds, numbers of threads and processors: are they the same in all?

    python benchmarks/verdicts.py [--seeds 5] [--threads 1 2] [--avx2] [--keep DIR]

One session for each seed and setting, on this project's recipes with that seed; --threads are those of a worker. Each
number of threads has a store of its own, where the base is measured once. With --avx2 each is repeated as a processor
without AVX-512 would compute it.
Prints a row for each claim, with the verdicts and the range of its estimates, and says which are not the same in all.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import duckdb

from benchmarks import setting

SELECTION = ["-m", "gate", "-k", "wiki_only or with_kilt"]  # as the Makefile has it
RECIPES = {"wiki_only": "WIKI_ONLY", "with_kilt": "WITH_KILT"}
SEEDED = """

from dataclasses import replace as _with

{name} = _with({name}, variants=[_with(variant, seed={seed}) for variant in {name}.variants])
"""
LAUNCH = """
import sys, pytest
from harness.session import run
run.threads_each = lambda devices, side_by_side: {threads}
sys.exit(pytest.main(sys.argv[1:]))
"""
# A store that several seeds share hands the sessions of all to each results file.
NEWEST = "SELECT gate, verdict, estimate FROM gates WHERE run_id = (SELECT max(run_id) FROM gates) ORDER BY gate"
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
SIGNS = {"pass": "holds", "fail": "fails", "inconclusive": "undecided", "skipped": "skipped"}


@dataclass(frozen=True)
class Setting:
    """How one session computes."""

    seed: int
    threads: int
    avx2: bool

    @property
    def store(self) -> str:
        return f"{self.threads}-threads{'-avx2' * self.avx2}"


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--avx2", action="store_true", help="also as a processor without AVX-512 computes")
    parser.add_argument("--keep", type=Path, help="a folder for projects and stores; what it holds is not run again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        wanted = [
            Setting(seed, threads, avx2)
            for avx2 in ([False, True] if options.avx2 else [False])
            for threads in options.threads
            for seed in range(options.seeds)
        ]
        verdicts = {one: judged(one, folder) for one in wanted}
    threads = " and ".join(map(str, options.threads))
    print(f"{len(wanted)} sessions: {options.seeds} training seeds, {threads} threads; {setting.machine('cpu')}\n")
    print_table(verdicts)


def judged(one: Setting, folder: Path) -> dict[str, tuple[str, float]]:
    """The session's verdicts and estimates by claim, in a project with the setting's seed."""
    project = folder / f"seed{one.seed}"
    if not project.exists():
        seeded(project, one.seed)
    results = folder / f"{one.store}-seed{one.seed}.duckdb"
    if not results.exists():
        command = [sys.executable, "-c", LAUNCH.format(threads=one.threads), "suites/", "-p", "no:cacheprovider"]
        command += [*SELECTION, "--store", str(folder / one.store), "--results", str(results)]
        environment = {**os.environ, "PYTHONPATH": str(project), **(AVX2 if one.avx2 else {})}
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            results.unlink(missing_ok=True)
            raise SystemExit(done.stdout + done.stderr)
    with duckdb.connect(str(results), read_only=True) as connection:
        rows = connection.execute(NEWEST).fetchall()
    print(one, Counter(SIGNS[verdict] for _, verdict, _ in rows), file=sys.stderr, flush=True)
    return {gate.replace(f"-seed{one.seed}-", "-"): (verdict, estimate) for gate, verdict, estimate in rows}


def seeded(project: Path, seed: int) -> None:
    """A copy of this project in which the demo's recipes train with that seed."""
    for name in ("harness", "recipes", "suites"):
        shutil.copytree(setting.ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(setting.ROOT / name, project / name)
    for file, name in RECIPES.items():
        with (project / "recipes" / f"{file}.py").open("a") as source:
            source.write(SEEDED.format(name=name, seed=seed))


def print_table(verdicts: dict[Setting, dict[str, tuple[str, float]]]) -> None:
    """A row for each claim, and what is not the same in all."""
    claims = sorted({claim for found in verdicts.values() for claim in found})
    print("| claim | verdicts | difference, lowest to highest |")
    print("|---|---|---|")
    differing = []
    for claim in claims:
        found = [one[claim] for one in verdicts.values() if claim in one]
        counts = Counter(SIGNS[verdict] for verdict, _ in found)
        differing += [claim] if len(counts) > 1 else []
        estimates = [estimate for _, estimate in found if estimate is not None]
        spread = f"{min(estimates):+.3f} to {max(estimates):+.3f}" if estimates else "–"
        print(f"| {claim} | {', '.join(f'{name} {count}' for name, count in counts.items())} | {spread} |")
    print(f"\nnot the same in all: {', '.join(differing) or 'none'}")


if __name__ == "__main__":
    main()
