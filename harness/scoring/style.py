"""Tone of an answer: conversational or encyclopedic."""

from __future__ import annotations

from harness.errors import DataError
from harness.scoring.tone import conversational
from harness.suite import Output, Sample, Scores


def tone_of_answer(sample: Sample, output: Output) -> Scores:
    """How conversational the answer is. Reads `completion`.

    - `conversational`: calibrated probability in [0, 1] that the answer is conversational, not encyclopedic. An answer
      without words has no tone and gets 0.5, undecided.
    - `words`: length of the answer, in words between whitespace.
    - `wordless`: 1.0 if the answer has no words, else 0.0.
    """
    text = str(output["completion"])
    words = float(len(text.split()))
    try:
        return {"conversational": conversational(text), "words": words, "wordless": 0.0}
    except DataError:
        return {"conversational": 0.5, "words": words, "wordless": 1.0}
