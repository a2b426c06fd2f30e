"""A question and its passages -> what is asked, with as many of them as may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.errors import SuiteError
from harness.suite import Answer
from harness.worker.messages import AskedSuite, Passage, Question

# By how many tokens what is asked exceeds the context, the answer included; 0 where it fits.
Excess = Callable[[Question], int]


def with_passages(suite: AskedSuite, questions: Sequence[Question], excess: Excess) -> list[Question]:
    """The questions as they are asked, each with the passages that stand before it; as they are where none are looked up.

    Raises SuiteError with the name of a sample whose passages do not fit, unless fewer may be taken.
    """
    if suite.passage_prompt is None:
        return list(questions)
    return [_with_passages(suite, suite.passage_prompt, question, excess) for question in questions]


def told(question: Question) -> Answer:
    """What an answer holds of its `passages`: their ids, which are right, and whether one is (`found`).

    That is None where no passage tells of what is asked, wherever one looks.
    """
    if question.passages is None:
        return {}
    found = any(passage.right for passage in question.passages) if question.findable else None
    return {"passages": [{"id": one.id, "right": one.right} for one in question.passages], "found": found}


def number_of_passages(questions: Sequence[Question]) -> int | None:
    """How many passages stand before the questions; None where nothing was looked up."""
    found = [len(question.passages) for question in questions if question.passages is not None]
    return sum(found) if found else None


def _with_passages(suite: AskedSuite, prompt: str, question: Question, excess: Excess) -> Question:
    passages = question.passages or ()
    for count in range(len(passages), 0, -1):
        asked = _asked(question, passages[:count], prompt)
        over = excess(asked)
        if over <= 0:
            return asked
        if not suite.fewer_passages:
            raise SuiteError(
                f"sample {question.id}: with its {count} passages, question and answer exceed the model's context by "
                f"{over:,} tokens.",
                "Take fewer (k), shorter ones, or as many as fit: fewer=True.",
            )
    return _asked(question, (), prompt)  # where it is too long alone, that is told where it is asked


def _asked(question: Question, passages: Sequence[Passage], prompt: str) -> Question:
    """The question with these passages in its prompt, or in the last turn of its conversation."""
    own = tuple(passages)
    if not own:
        return replace(question, passages=own)
    notes = "\n\n".join(passage.text for passage in own)
    if not question.messages:
        return replace(question, prompt=prompt.format(passages=notes, question=question.prompt), passages=own)
    *before, last = question.messages
    text = prompt.format(passages=notes, question=last["content"])
    return replace(question, messages=(*before, {**last, "content": text}), passages=own)
