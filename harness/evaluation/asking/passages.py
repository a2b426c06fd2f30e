"""The passages that come before each question of a subject that looks things up: found by words, or its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from harness.data.reading.rows import Access, Loaded, load
from harness.data.sources import Row
from harness.errors import DataError, SuiteError
from harness.recipe import Lookup, OpenBook, Retrieve
from harness.suite import Sample
from harness.worker.messages import Passage

WORD = r"(?u)\b\w+\b"


def read_passages(lookup: Lookup, access: Access, who: str) -> Loaded:
    """The rows of a lookup, checked as rows to train on are; each has the field that says what it tells of.

    Raises DataError, in the name of the subject `who`, for a row that does not have it.
    """
    loaded = load(lookup.data, access)
    if all(lookup.cluster in row for row in loaded.rows):
        return loaded
    # It is a field of the file that training does not keep.
    whole = {(row["source"], row["origin"]): row for row in load(lookup.data, access, raw=True).rows}
    for row in loaded.rows:
        there = whole[row["source"], row["origin"]]
        if there.get(lookup.cluster) is None:
            raise DataError(
                f"{who}: {row['origin']} has no {lookup.cluster!r}, which says what a passage tells of.",
                f"It has: {', '.join(there)}. Name one of them: cluster=...",
            )
        row[lookup.cluster] = there[lookup.cluster]
    return loaded


class Passages:
    """The rows of a lookup as passages, as `read_passages` gives them; `who` is the subject, for messages."""

    def __init__(self, lookup: Lookup, rows: Sequence[Row], who: str) -> None:
        self.lookup, self.rows, self.who = lookup, rows, who
        if isinstance(lookup, Retrieve) and lookup.k > len(rows):
            raise DataError(
                f"{who}: Retrieve takes k={lookup.k} passages, and there are {len(rows)}.", f"Write k={len(rows)}."
            )
        self.texts = [passage_text(row) for row in rows]
        self.nearest: dict[str, list[int]] = {}  # by question, found by embeddings before any is asked
        self._of_cluster: dict[str, list[int]] = {}
        for place, row in enumerate(rows):
            self._of_cluster.setdefault(str(row[lookup.cluster]), []).append(place)

    def check(self, suite: str, samples: Sequence[Sample]) -> None:
        """Raise SuiteError where the book has nothing for any of a suite's samples: no ceiling, but the base again."""
        if isinstance(self.lookup, OpenBook) and samples and not any(map(self.findable, samples)):
            about = next((sample.cluster for sample in samples if sample.cluster is not None), None)
            raise SuiteError(
                f"{self.who}: no passage tells of what suite {suite} asks: its samples are of clusters such as {about!r}, and "
                f"the {self.lookup.cluster} of a passage is such as {self.rows[0][self.lookup.cluster]!r}.",
                "Give both the same names: OpenBook(cluster=...) names the rows' field, Sample(cluster=...) is the sample's; "
                "or leave the suite out: Recipe(suites=[...]) names those that measure it.",
            )

    @property
    def by_embeddings(self) -> bool:
        """Whether passages are ranked by a model, which a worker process asks."""
        return isinstance(self.lookup, Retrieve) and self.lookup.embeddings is not None

    def of(self, sample: Sample) -> tuple[Passage, ...]:
        """The sample's passages, the best first; each `right` if it is of the sample's cluster."""
        own = self._own(sample)
        places = self._found(sample.text) if isinstance(self.lookup, Retrieve) else own
        return tuple(Passage(id=self.rows[i]["id"], text=self.texts[i], right=i in own) for i in places)

    def findable(self, sample: Sample) -> bool:
        """Whether any passage is of the sample's cluster."""
        return bool(self._own(sample))

    def _own(self, sample: Sample) -> list[int]:
        return [] if sample.cluster is None else self._of_cluster.get(sample.cluster, [])

    def _found(self, text: str) -> list[int]:
        """Positions of the k best passages, by vectors or of those that share a word with the text; of equal ones the first.

        Scores are rounded, and sorted stably, so that every processor finds the same ones.
        """
        import numpy as np

        assert isinstance(self.lookup, Retrieve)
        if self.by_embeddings:
            return self.nearest[text]
        [words] = _words([text])
        if not words:
            return []
        scores = np.round(self._index.get_scores(words), 4)
        best = np.argsort(-scores, kind="stable")[: self.lookup.k]
        return [int(i) for i in best if scores[i] > 0]

    @cached_property
    def _index(self) -> Any:
        import bm25s

        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets its own to DEBUG
        words = _words(self.texts)
        if not any(words):
            raise DataError(f"{self.who}: its {len(words)} passages hold no word but English stopwords.")
        index = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
        index.index(words, show_progress=False)
        return index


def passage_text(row: Row) -> str:
    """A row as a passage: its text, or what is said in its conversation, without the system's turns."""
    if "text" in row:
        return str(row["text"])
    return "\n".join(turn["content"] for turn in row["messages"] if turn["role"] != "system")


def _words(texts: list[str]) -> list[list[str]]:
    """Each text's words in lower case, English stopwords left out."""
    import bm25s

    found: list[list[str]] = bm25s.tokenize(
        texts, token_pattern=WORD, stopwords="en", return_ids=False, show_progress=False
    )
    return found
