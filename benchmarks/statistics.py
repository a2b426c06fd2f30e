"""What `harness.statistics` promises, simulated: error rates, power, coverage. Prints the tables of README.

python benchmarks/statistics.py [--simulations 4000] [--only alarms,power,coverage,holm,sequence,seeds,bootstrap,winner,halving,changes]
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse
import math
import time
from collections.abc import Callable, Iterator

import numpy as np

from harness.gates.evidence import ALPHA
from harness.gates.evidence.looks import EARLY
from harness.jobs.halving import RUNGS, Contest
from harness.scoring import Mean
from harness.statistics import (
    Resampling,
    SamplingPlan,
    adjust,
    bootstrap_interval,
    confidence_sequence,
    mean_interval,
    minimum_detectable_difference,
    nested_interval,
    non_inferior,
    paired_difference,
)
from harness.statistics.changes import change_points

SIZES = (50, 200, 500)
SETTINGS = 12  # of a sweep
QUESTIONS, OF_ONE_FACT = 87, 3  # as `recall` asks of unseen phrasings
MARGIN = 0.05  # of the regression gate
Row = tuple[str, ...]


# ---- pairs of models whose truth is known ---------------------------------------------------------------


def answers(rng: np.random.Generator, n: int, shift: float = 0.0, discordant: float = 0.3) -> tuple[np.ndarray, ...]:
    """0/1 answers of two models that disagree on a share of the samples; the candidate is better by `shift`."""
    which = rng.random(n)
    right = rng.random(n) < 0.5
    candidate = np.where(which < (discordant + shift) / 2, 1.0, np.where(which < discordant, 0.0, right))
    baseline = np.where(which < (discordant + shift) / 2, 0.0, np.where(which < discordant, 1.0, right))
    return candidate, baseline


def scores(rng: np.random.Generator, n: int, shift: float = 0.0) -> tuple[np.ndarray, ...]:
    """Skewed scores, most near 0, and each model's own deviation from them; two models about the same samples."""
    difficulty = rng.beta(0.6, 2.0, n)
    return difficulty + rng.normal(shift, 0.1, n), difficulty + rng.normal(0, 0.1, n)


def clustered(rng: np.random.Generator, n: int, binary: bool, shift: float = 0.0) -> tuple[np.ndarray, ...]:
    """The same in clusters of five whose members are alike: intra-cluster correlation about a half."""
    groups = np.repeat(np.arange(n // 5), 5)
    alike = rng.random(n // 5)[groups]
    if not binary:
        common = rng.normal(0, 0.1, n // 5)[groups]
        candidate, baseline = scores(rng, n, shift)
        return candidate + common, baseline, groups
    own = np.where(rng.random(n) < 0.7, alike, rng.random(n))
    candidate = np.where(own < (0.3 + shift) / 2, 1.0, np.where(own < 0.3, 0.0, 1.0))
    baseline = np.where(own < (0.3 + shift) / 2, 0.0, np.where(own < 0.3, 1.0, 1.0))
    return candidate, baseline, groups


KINDS: dict[str, Callable[..., tuple[np.ndarray, ...]]] = {
    "0/1": answers,
    "scores": scores,
    "0/1, clusters of 5": lambda rng, n, shift=0.0: clustered(rng, n, True, shift),
    "scores, clusters of 5": lambda rng, n, shift=0.0: clustered(rng, n, False, shift),
}


# ---- what is simulated ------------------------------------------------------------------------------------


def alarms(simulations: int, seed: int) -> Iterator[Row]:
    """How often chance alone makes a verdict."""
    yield (
        "scores",
        "n",
        "identical: difference claimed",
        "identical: regression gate fails",
        "worse by the margin: gate passes",
    )
    for kind, draw in KINDS.items():
        for n in SIZES:
            rng = np.random.default_rng([seed, n])
            claimed = failed = passed = 0
            for _ in range(simulations):
                found = paired_difference(*draw(rng, n))
                claimed += found.p_value <= ALPHA and not found.low <= 0 <= found.high
                failed += non_inferior(*_with_margin(draw(rng, n))).high < -MARGIN
                passed += non_inferior(*_with_margin(draw(rng, n, -MARGIN))).low > -MARGIN
            yield kind, str(n), *(share(count, simulations) for count in (claimed, failed, passed))


def _with_margin(drawn: tuple[np.ndarray, ...]) -> tuple:
    candidate, baseline, *groups = drawn
    return candidate, baseline, MARGIN, *groups


def power(simulations: int, seed: int) -> Iterator[Row]:
    """How often a difference as large as the printed one is found."""
    yield "scores", "n", "detectable difference", "found"
    for n in SIZES:
        for discordant in (0.3, 0.2):
            least = minimum_detectable_difference(n, discordant=discordant)
            rng = np.random.default_rng([seed, n])
            hits = sum(decided(paired_difference(*answers(rng, n, least, discordant))) for _ in range(simulations))
            yield f"0/1, {discordant:.0%} disagree", str(n), f"{least:.3f}", share(hits, simulations)
        least = minimum_detectable_difference(n, sd=math.sqrt(0.02))
        rng = np.random.default_rng([seed, n])
        hits = sum(decided(paired_difference(*scores(rng, n, least))) for _ in range(simulations))
        yield "scores", str(n), f"{least:.3f}", share(hits, simulations)


def decided(found) -> bool:
    """Whether a gate would call the difference positive."""
    return found.low > 0 and found.p_value <= ALPHA


def coverage(simulations: int, seed: int) -> Iterator[Row]:
    """How often a 95 % interval of an accuracy holds the truth: exactly, over all counts of right answers."""
    yield "interval", "n", "p = 0.02", "p = 0.3", "p = 0.98"
    for n in (20, 100, 500):
        ends = [mean_interval([1.0] * right + [0.0] * (n - right)) for right in range(n + 1)]
        found = []
        for p in (0.02, 0.3, 0.98):
            weights = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
            found.append(sum(w for w, one in zip(weights, ends, strict=True) if one.low <= p <= one.high))
        yield "accuracy", str(n), *(f"{100 * one:.1f} %" for one in found)
    for n in (20, 100, 500):
        rng = np.random.default_rng([seed, n])
        found = []
        for p in (0.02, 0.3, 0.98):
            held = 0
            for _ in range(simulations):
                groups = np.repeat(np.arange(n // 5), 5)
                alike = rng.random(n) < 0.5
                x = (np.where(alike, rng.random(n // 5)[groups], rng.random(n)) < p).astype(float)
                one = mean_interval(x, groups)
                held += one.low <= p <= one.high
            found.append(held)
        yield "accuracy, clusters of 5", str(n), *(share(count, simulations) for count in found)


def holm(simulations: int, seed: int) -> Iterator[Row]:
    """How often any of twenty true nulls is called a finding."""
    yield "adjustment", "any false alarm among 20"
    rng = np.random.default_rng(seed)
    plain = held = 0
    for _ in range(simulations):
        p_values = [paired_difference(*answers(rng, 200)).p_value for _ in range(20)]
        plain += min(p_values) <= ALPHA
        held += min(adjust(p_values, "holm")) <= ALPHA
    yield "none", share(plain, simulations)
    yield "Holm", share(held, simulations)


def sequence(simulations: int, seed: int) -> Iterator[Row]:
    """How often a look after every 50 samples of 500 ever misses the truth, and when a difference of 0.15 is seen."""
    yield (
        "scores",
        "an ordinary 95 % interval misses at some look",
        "as --adaptive judges: misses",
        "samples until it is seen",
    )
    rng = np.random.default_rng(seed)
    looks = range(50, 501, 50)
    for kind, (mean, low) in {"0/1, p = 0.3": (0.3, 0.0), "differences of 0/1": (0.0, -1.0)}.items():
        naive = missed = 0
        stops = []
        for _ in range(simulations):
            draw = lambda shift=0.0, low=low: (
                (rng.random(500) < 0.3 + shift).astype(float) if low == 0 else np.subtract(*answers(rng, 500, shift))
            )
            x, better = draw(), draw(0.15)
            naive += any(not _holds(mean_interval(x[:n]), mean) for n in looks)
            missed += any(not _holds(looked_at(x[:n], low), mean) for n in looks[:-1]) or not (
                _holds(looked_at(x, low), mean) and _holds(mean_interval(x, level=1 - ALPHA * (1 - EARLY)), mean)
            )
            stops.append(next((n for n in looks if looked_at(better[:n], low).low > mean), 500))
        yield kind, share(naive, simulations), share(missed, simulations), f"{np.median(stops):.0f}"


def looked_at(x: np.ndarray, low: float):
    """The interval by which --adaptive stops."""
    return confidence_sequence(x, (low, 1.0), level=1 - ALPHA * EARLY, plan=SamplingPlan(tune_at=250))


def _holds(one, mean: float) -> bool:
    return one.low <= mean <= one.high


def seeds(simulations: int, seed: int) -> Iterator[Row]:
    """How often an interval over training seeds holds the truth, where trainings differ about as much as samples do."""
    yield "scores", "seeds", "samples alone", "seeds and samples"
    for count in (2, 3, 5):
        rng = np.random.default_rng([seed, count])
        alone = nested = 0
        for _ in range(simulations):
            x = rng.normal(0, 0.03, (count, 1)) + rng.normal(0, 0.3, 200) + rng.normal(0, 0.2, (count, 200))
            alone += _holds(mean_interval(x.mean(0)), 0)
            nested += _holds(nested_interval(x), 0)
        yield "scores", str(count), share(alone, simulations), share(nested, simulations)
    for p in (0.05, 0.3):  # through the metric as gates use it, a quarter as often
        rng = np.random.default_rng([seed, 3])
        alone = nested = 0
        for _ in range(simulations // 4):
            levels = np.clip(rng.normal(p, 0.02, (3, 1)), 0, 1)
            shared = rng.random(100)
            x = (np.where(rng.random((3, 100)) < 0.5, shared, rng.random((3, 100))) < levels).astype(float)
            rows = [[{"acc": score} for score in row] for row in x]
            alone += _holds(Mean("acc").interval(rows[0]), p)
            nested += _holds(Mean("acc").over_seeds(rows, None), p)
        yield f"0/1, p = {p}", "3", share(alone, simulations // 4), share(nested, simulations // 4)


def bootstrap(simulations: int, seed: int) -> Iterator[Row]:
    """How often the BCa interval of bits per byte holds the truth."""
    yield "documents", "held"
    for n in (50, 100, 300):
        rng = np.random.default_rng([seed, n])
        held = 0
        for _ in range(simulations):
            size = rng.lognormal(6, 0.8, n)
            bits = size * rng.lognormal(0.5, 0.3, n)
            ratio = lambda index, bits=bits, size=size: bits[index].sum() / size[index].sum()
            one = bootstrap_interval(ratio, n, resampling=Resampling(1000))
            held += one.low <= math.exp(0.5 + 0.3**2 / 2) <= one.high
        yield str(n), share(held, simulations)


def winner(simulations: int, seed: int) -> Iterator[Row]:
    """How often the winner of 12 equal settings is called better than the declared one, which is one of them."""
    yield "picked by", "called better"
    rng = np.random.default_rng(seed)
    by_other = by_judged = 0
    for _ in range(simulations):
        facts = np.repeat(np.arange(QUESTIONS // OF_ONE_FACT), OF_ONE_FACT)
        difficulty = rng.beta(0.6, 2.0, facts.max() + 1)[facts]
        own = rng.normal(0, 0.1, (SETTINGS, facts.max() + 1))[:, facts]  # what each setting makes of a fact
        scores = difficulty + own + rng.normal(0, 0.1, (SETTINGS, QUESTIONS))
        rows = [[{"unseen": value} for value in row] for row in scores]
        compared = [Mean("unseen").difference(row, rows[0], list(facts)) for row in rows[1:]]
        better = [one.estimate > 0 and (one.p_value or 0.0) <= ALPHA for one in compared]
        chosen = int(rng.integers(SETTINGS))  # equal settings: whichever other data favour
        by_other += chosen > 0 and better[chosen - 1]
        best = int(scores.mean(axis=1)[1:].argmax())
        adjusted = adjust([one.p_value or 0.0 for one in compared])
        by_judged += compared[best].estimate > 0 and adjusted[best] <= ALPHA
    yield "other data (held-out rows)", share(by_other, simulations)
    yield "the judged score itself, after Holm", share(by_judged, simulations)


def halving(simulations: int, seed: int) -> Iterator[Row]:
    """How often successive halving of 12 settings ends with the best, by how early losses tell final ones."""
    yield (
        "correlation of the loss at a quarter, at the middle, with the last",
        "best found",
        "among the best three",
        "steps saved",
    )
    for quarter, middle in ((0.7, 0.85), (0.8, 0.9), (0.9, 0.95), (0.95, 0.98)):
        rng = np.random.default_rng([seed, int(100 * quarter)])
        best = near = 0
        saved = 0.0
        for _ in range(simulations):
            last = rng.normal(size=SETTINGS)
            early = [r * last + math.sqrt(1 - r * r) * rng.normal(size=SETTINGS) for r in (quarter, middle)]
            contest = Contest({str(i): [str(i)] for i in range(SETTINGS)})
            going, trained = list(range(SETTINGS)), 0.0
            for rung in range(len(RUNGS)):
                trained += len(going) / 4
                for i in going:
                    contest.note(rung, str(i), float(early[rung][i]))
                going = [i for i in going if contest.goes_on(rung, str(i))]
            trained += len(going) / 2
            chosen = min(going, key=lambda i: last[i])
            best += chosen == int(last.argmin())
            near += int((last < last[chosen]).sum()) < 3
            saved += 1 - trained / SETTINGS
        yield (
            f"{quarter}, {middle}",
            share(best, simulations),
            share(near, simulations),
            f"{100 * saved / simulations:.0f} %",
        )


def changes(simulations: int, seed: int) -> Iterator[Row]:
    """False alarms of the change points among ten measurements, and shifts of 2 standard errors found within two runs."""
    yield "scores", "samples", "correlation between runs", "false alarms", "found"
    for kind, alike, n in (
        ("scores", 0.5, 100),
        ("scores", 0.7, 100),
        ("scores", 0.9, 100),
        ("0/1", 0.7, 100),
        ("0/1", 0.9, 200),
    ):
        rng = np.random.default_rng([seed, int(10 * alike), n])
        alarms = found = 0
        for _ in range(simulations):
            x = math.sqrt(alike) * rng.normal(size=n) + math.sqrt(1 - alike) * rng.normal(size=(10, n))
            shifted = x.copy()
            # 2 standard errors of one measurement's mean: of a 0/1 score at 1/2 by the slope of the normal distribution there
            shifted[8:] += 2 / math.sqrt(n) * (1.0 if kind == "scores" else 0.5 * math.sqrt(2 * math.pi))
            if kind == "0/1":
                x, shifted = (x > 0).astype(float), (shifted > 0).astype(float)
            alarms += bool(change_points(x, times=999))
            found += any(one.place in (7, 8, 9) for last in (9, 10) for one in change_points(shifted[:last], times=999))
        yield kind, str(n), str(alike), share(alarms, simulations), share(found, simulations)


PARTS = {
    part.__name__: part
    for part in (alarms, power, coverage, holm, sequence, seeds, bootstrap, winner, halving, changes)
}
FEWER = {
    "sequence": 4,
    "bootstrap": 8,
    "winner": 4,
    "changes": 4,
}  # what takes long is simulated so many times less often


def share(count: int, of: int) -> str:
    """A share with twice its simulation error."""
    p = count / of
    return f"{100 * p:.1f} % +- {200 * math.sqrt(max(p * (1 - p), 1 / of) / of):.1f}"


def main() -> None:
    """Print the tables asked for, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    for name in options.only.split(","):
        started = time.perf_counter()
        simulations = max(1, options.simulations // FEWER.get(name, 1))
        rows = list(PARTS[name](simulations, options.seed))
        print(f"{PARTS[name].__doc__.splitlines()[0]}\n")
        for i, row in enumerate(rows):
            print(f"| {' | '.join(row)} |")
            if i == 0:
                print(f"|{'---|' * len(row)}")
        print(f"\n({simulations:,} simulations, {time.perf_counter() - started:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
