"""Fitness to be served: finite numbers, an answer at all, an answer that does not run in circles."""

from __future__ import annotations

from harness.suite import Output, Sample, Scores

LOOP_WORDS, LOOP_TIMES = 4, 4  # a loop: the last 4 words four times in a row


def fitness(sample: Sample, output: Output) -> Scores:
    """1.0 or 0.0 each: `finite` (weights, logits, sampling), `nonempty`, `no_loop`; and `largest_activation`, the
    largest magnitude that a layer put out, of which float16 holds 65,504."""
    text = str(output["completion"])
    return {
        "finite": float(output["finite_weights"] and output["finite_logits"] and output["sampled"]),
        "nonempty": float(bool(text.strip())),
        "no_loop": float(not runs_in_circles(text)),
        "largest_activation": float(output["largest_activation"]),
    }


def runs_in_circles(text: str) -> bool:
    """Whether some run of 1 to LOOP_WORDS words stands LOOP_TIMES times in a row."""
    words = text.lower().split()
    for size in range(1, LOOP_WORDS + 1):
        span = size * LOOP_TIMES
        for start in range(len(words) - span + 1):
            unit = words[start : start + size]
            if words[start : start + span] == unit * LOOP_TIMES:
                return True
    return False
