"""Tone of an answer, with the named features that explain it."""

from __future__ import annotations

from harness.errors import DataError
from harness.scoring.tone import conversational
from harness.suite import Output, Sample, Scores


def tone_of_answer(sample: Sample, output: Output) -> Scores:
    """`conversational` as a probability, and the answer's length in words.

    An answer without words has no tone; it is scored 0.5, undecided, and counted in `wordless`.
    """
    text = str(output["completion"])
    words = float(len(text.split()))
    try:
        return {"conversational": conversational(text), "words": words, "wordless": 0.0}
    except DataError:
        return {"conversational": 0.5, "words": words, "wordless": 1.0}
