"""What cutting answers changes in their tone: scores of the first tokens of the answers that a results file holds.

    python benchmarks/cut_answers.py RESULTS.duckdb TOKENIZER [--suite tone] [--tokens 16,32,64,128]

RESULTS is the results file of a session that let the suite's answers end, TOKENIZER a folder or hub id of the model's.
Prints for each subject the mean of `conversational` over the beginnings of its newest answers, and over all of each.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, whose statistics.py is not Python's own

import argparse
from statistics import mean

from harness import Sample, warehouse
from harness.scoring import tone_of_answer

NEWEST = """
    SELECT m.subject, x.completion, x.completion_tokens, x.finish_reason
    FROM measured m JOIN samples x USING (evaluation)
    WHERE m.suite = ? AND m.run_id = (SELECT max(run_id) FROM measured WHERE suite = m.suite)
    ORDER BY m.subject, x.position
"""


def tone(text: str) -> float:
    """How conversational the text is, as the suite scores it."""
    return float(tone_of_answer(Sample(id="answer", prompt=""), {"completion": text})["conversational"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("tokenizer")
    parser.add_argument("--suite", default="tone")
    parser.add_argument("--tokens", default="16,32,64,128")
    given = parser.parse_args()
    lengths = [int(length) for length in given.tokens.split(",")]

    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(given.tokenizer)
    with warehouse.connect(given.results, read_only=True) as connection:
        answers: dict[str, list[tuple[str, int, str]]] = {}
        for subject, *answer in connection.execute(NEWEST, [given.suite]).fetchall():
            answers.setdefault(subject, []).append(tuple(answer))
    for subject, each in answers.items():
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text, _, _ in each]
        ended = sum(reason != "length" for *_, reason in each)
        print(f"{subject}: {len(each)} answers, {ended} ended, {mean(tokens for _, tokens, _ in each):.0f} tokens each")
        for length in lengths:
            short = mean(tone(tokenizer.decode(some[:length])) for some in ids)
            within = sum(tokens <= length and reason != "length" for _, tokens, reason in each)
            print(f"    first {length:4} tokens  {short:.3f}  {within} ended within them")
        print(f"    all              {mean(tone(text) for text, _, _ in each):.3f}")


if __name__ == "__main__":
    main()
