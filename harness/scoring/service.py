"""Is a checkpoint fit to be served? Finite numbers, and an answer that is not empty and does not repeat itself."""

from __future__ import annotations

from harness.suite import Output, Sample, Scores

LOOP_WORDS, LOOP_TIMES = 4, 4  # a loop: the same 1 to 4 words, four times in a row


def fitness(sample: Sample, output: Output) -> Scores:
    """Whether the checkpoint can be served in the dtype that the sample was asked in.

    Reads `completion`, `finite_weights`, `finite_logits`, `sampled` and `largest_activation`. All scores are None where
    the model in that dtype did not fit into the device's memory (`fits` is False): nothing is known of it.

    - `finite`: 1.0 if weights and logits are finite and sampling met no NaN or inf, else 0.0.
    - `nonempty`: 1.0 if the completion is more than whitespace, else 0.0.
    - `no_loop`: 1.0 if the completion does not repeat itself (see `runs_in_circles`), else 0.0.
    - `largest_activation`: the largest magnitude that any layer put out; float16 overflows above 65,504.
    """
    if not output.get("fits", True):
        return dict.fromkeys(("finite", "nonempty", "no_loop", "largest_activation"))
    text = str(output["completion"])
    return {
        "finite": float(output["finite_weights"] and output["finite_logits"] and output["sampled"]),
        "nonempty": float(bool(text.strip())),
        "no_loop": float(not runs_in_circles(text)),
        "largest_activation": float(output["largest_activation"]),
    }


def runs_in_circles(text: str) -> bool:
    """Whether the same 1 to LOOP_WORDS words come LOOP_TIMES times in a row, anywhere: "I see I see I see I see"."""
    words = text.lower().split()
    for size in range(1, LOOP_WORDS + 1):
        span = size * LOOP_TIMES
        for start in range(len(words) - span + 1):
            unit = words[start : start + size]
            if words[start : start + span] == unit * LOOP_TIMES:
                return True
    return False
