"""How well a matrix of subjects and suites is laid onto many devices: makespan over its lower bound.

    python benchmarks/schedule.py [--subjects 1000] [--devices 256] [--failures 0.01] [--rounds 20]

Every subject is trained, then measured by eight suites; a tenth of the subjects stand on one of twenty pretrainings.
Hours are drawn from log-normal distributions (median 1 h a training, 1.5 h a pretraining, 2 min a suite), each is off its
estimate by up to 30 %, and the given share of tasks fails at a random moment and begins again from its last saved state,
of which a training has five. The scheduler is that of `harness plan`; it knows the estimates alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse
import random
import statistics
import time

from harness.jobs.schedule import Schedule, Task, scheduled

HOUR, SUITES, SAVED = 3600.0, 8, 5


def matrix(subjects: int, draw: random.Random) -> list[Task]:
    """The tasks, with their estimated seconds."""
    bases = [Task(f"pretrain {n}", 1.5 * HOUR * draw.lognormvariate(0, 0.3)) for n in range(max(1, subjects // 50))]
    tasks = list(bases)
    for n in range(subjects):
        needs = (draw.choice(bases).name,) if draw.random() < 0.1 else ()
        tasks.append(Task(f"train {n}", HOUR * draw.lognormvariate(0, 0.4), needs))
        for suite in range(SUITES):
            tasks.append(Task(f"measure {n} {suite}", HOUR / 30 * draw.lognormvariate(0, 0.5), (f"train {n}",)))
    return tasks


def simulated(subjects: int, devices: int, failures: float, draw: random.Random) -> tuple[Schedule, int]:
    """One matrix on so many devices, and how many of its tasks failed."""
    failed = 0

    def takes(task: Task) -> float:
        nonlocal failed
        seconds = task.seconds * draw.uniform(0.7, 1.3)
        if draw.random() >= failures:
            return seconds
        failed += 1
        share = draw.random()
        saved = int(share * SAVED) / SAVED if not task.name.startswith("measure") else 0.0
        return share * seconds + (1 - saved) * seconds

    return scheduled(matrix(subjects, draw), devices, takes), failed


def main() -> None:
    """The table; exit status 1 above the aim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=1000)
    parser.add_argument("--devices", type=int, default=256)
    parser.add_argument("--failures", type=float, default=0.01, help="share of tasks that fail once")
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args()
    ratios, seconds, failed, hours, shared = list[float](), list[float](), 0, list[float](), list[float]()
    for seed in range(asked.rounds):
        began = time.perf_counter()
        found, count = simulated(asked.subjects, asked.devices, asked.failures, random.Random(seed))
        seconds.append(time.perf_counter() - began)
        ratios.append(found.makespan / found.lower_bound)
        hours.append(found.makespan / HOUR)
        shared.append(found.busy / asked.devices / HOUR)
        failed += count
    print(
        f"{asked.subjects:,} subjects, {SUITES} suites, {asked.devices} devices, {asked.rounds} rounds, {failed:,} failures"
    )
    print(
        f"work for each device {statistics.median(shared):.2f} h, makespan {statistics.median(hours):.2f} h; over its lower bound {statistics.median(ratios):.3f} in the median, ",
        end="",
    )
    print(f"{max(ratios):.3f} at most (aim: 1.15); laid out in {statistics.median(seconds):.2f} s")
    raise SystemExit(0 if max(ratios) <= 1.15 else 1)


if __name__ == "__main__":
    main()
