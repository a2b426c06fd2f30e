"""Ratings of equal models: how often does their interval leave zero out, and how often does it hold the truth?

    python benchmarks/raters.py [--runs 4000]

Simulated people rate pairs of answers of two models: better (1), worse (-1), the same (0). A pair has a quality of its own
(one answer may well be better), each person a taste of their own, and each single rating is noisy; over all pairs and all
people the models are equal. Printed is the share of runs in which the claim "preferred" is decided all the same: 5 % is
what an interval of 95 % allows. Beside it what an interval by pairs alone would do, as if the same people were asked
every time.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse

import numpy as np

from harness.statistics.means import mean_interval
from harness.statistics.raters import mean_of_ratings

WORLDS = (  # pairs that each rater sees, of so many; spread of tastes, spread of pairs
    ((60, 60, 60), 60, 0.0, 0.5),
    ((60, 60, 60), 60, 0.3, 0.5),
    ((30, 30, 30), 60, 0.3, 0.5),
    ((20, 20, 20), 20, 0.3, 1.0),
    ((60, 30, 10), 60, 0.3, 0.5),
    ((60, 15, 15, 15), 60, 0.3, 0.5),
    ((60, 3, 3), 60, 0.3, 0.5),
    ((60, 60), 60, 0.3, 0.5),
    ((30,) * 8, 100, 0.3, 0.5),
    ((60,), 60, 0.0, 0.5),
)


def in_words(numbers: tuple[int, ...]) -> str:
    """60, 30, 10; 8 times 30."""
    return f"{len(numbers)} times {numbers[0]}" if len(numbers) > 4 else ", ".join(map(str, numbers))


def main() -> None:
    """Exit status 1 where more than 5 % and the simulation's error are decided."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4000)
    runs = parser.parse_args().runs
    draw = np.random.default_rng(0)
    most = 0.05 + 2.6 * (0.05 * 0.95 / runs) ** 0.5
    print("each rated            of  tastes  pairs' own   decided   by pairs alone   width")
    worst = 0.0
    for numbers, pairs, tastes, own in WORLDS:
        raters = len(numbers)
        decided, alone, widths = 0, 0, []
        for _ in range(runs):
            leaning = draw.normal(0, own, pairs)[:, None] + draw.normal(0, tastes, raters)[None, :]
            felt = leaning + draw.normal(0, 1, (pairs, raters))
            values = np.where(felt > 0.3, 1.0, np.where(felt < -0.3, -1.0, 0.0))
            shown = np.stack([draw.permutation(pairs) < number for number in numbers], axis=1)
            where = np.argwhere(shown)
            found = mean_of_ratings(values[shown], where[:, 0].tolist(), where[:, 1].tolist(), within=(-1.0, 1.0))
            by_pairs = mean_interval(values[shown], where[:, 0].tolist())
            decided += not found.low <= 0 <= found.high
            alone += not by_pairs.low <= 0 <= by_pairs.high
            widths.append(found.high - found.low)
        worst = max(worst, decided / runs)
        print(
            f"{in_words(numbers):18}  {pairs:4}  {tastes:6.1f}  {own:10.1f}   {decided / runs:6.1%}   {alone / runs:14.1%}   "
            f"{np.median(widths):5.2f}",
            flush=True,
        )
    print(f"at most {most:.1%} by chance of the simulation")
    raise SystemExit(worst > most)


if __name__ == "__main__":
    main()
