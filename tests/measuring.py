"""Requests to the model worker, written into folders as a session writes them."""

from pathlib import Path
from typing import Any

from harness.suite import Ask, Perplexity
from harness.worker.messages import REQUEST, AskedSuite, MeasureRequest, Question, send, write_questions
from harness.worker.places import Place

TEXTS = ["The owl sat in the old tree.", "A storm moved over the sea and the town."]
DOCUMENTS = [Question(id=str(i), target=text) for i, text in enumerate(TEXTS)]


def write_request(
    folder: Path,
    model: Place,
    asks: dict[str, tuple[Ask, ...]] | None = None,
    questions: list[Question] = DOCUMENTS,
    **lookup: Any,
) -> Path:
    """The folder with a request for suites, answers' key -> asks, all with the same questions; one of likelihoods.

    `lookup` says how passages come before the questions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asks = asks or {"k": (Perplexity(),)}
    for key in asks:
        write_questions(folder / f"{key}.questions.jsonl", questions)
    suites = tuple(AskedSuite(key=key, name=f"suite_{key}", asks=asked, **lookup) for key, asked in asks.items())
    request = MeasureRequest(measures="c0", model=model, device="cpu", dtype="float32", threads=1, suites=suites)
    send(folder / REQUEST, request)
    return folder
