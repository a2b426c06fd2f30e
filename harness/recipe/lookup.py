"""Stages that train nothing: the model looks things up, in passages that are put in front of each question.

They are what training new facts into weights is measured against: what is found (retrieval), and what could be found at
best (the open book).
"""

from __future__ import annotations

import string
from dataclasses import dataclass

from harness.data.sources import Dataset, Mix, Rows
from harness.errors import RecipeError, check_types

JOINED = "{passages}\n\n{question}"


@dataclass(frozen=True, kw_only=True)
class _LooksUp:
    """Where passages come from, and how a question is asked with them. Every field changes the answers."""

    data: Mix  # each row is a passage: its text, or the turns of its conversation but the system's
    prompt: str = JOINED  # with {passages}, a blank line between any two, and {question}
    # The rows' field that names what they tell of, as a sample's cluster names what it asks about; default: the row's group.
    cluster: str = "group"
    fewer: bool = False  # passages that exceed the context are left out, from the last on; else they are an error

    def __post_init__(self) -> None:
        name = type(self).__name__
        if isinstance(self.data, Dataset | Rows):
            raise RecipeError(
                f"{name}: data is a {type(self.data).__name__}, and has to be a Mix.", "Write data=Mix(...) around it."
            )
        check_types(self, RecipeError)
        try:
            named = [field for _, field, _, _ in string.Formatter().parse(self.prompt) if field is not None]
        except ValueError as error:
            raise RecipeError(f"{name}: prompt {self.prompt!r}: {error}.", "Write {{ for a brace.") from None
        if sorted(named) != ["passages", "question"]:
            raise RecipeError(
                f"{name}: prompt {self.prompt!r} has the fields {named}, and needs {{passages}} and {{question}} once each."
            )


@dataclass(frozen=True, kw_only=True)
class Retrieve(_LooksUp):
    """Each question is asked with its `k` best passages in front, the best first.

    Passages are ranked by BM25 (Robertson et al. 1994; Lucene's form, k1 = 1.5, b = 0.75) over lower-case words,
    English stopwords left out. A passage that shares no word with the question is not taken. With `embeddings` they are
    ranked by the similarity of their vectors to the question's instead, and `k` are always taken.
    """

    k: int = 3
    embeddings: str | None = None  # a model of sentence-transformers, by its hub id or as a folder

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k < 1:
            raise RecipeError(f"Retrieve: k is {self.k}; take at least one passage.")
        if self.embeddings is not None and not self.embeddings.strip():
            raise RecipeError(
                "Retrieve: embeddings is empty.", "Name a model of sentence-transformers, or leave it out."
            )


@dataclass(frozen=True, kw_only=True)
class OpenBook(_LooksUp):
    """Each question is asked with the passages of its own cluster in front: the ceiling that retrieval stands under."""


Lookup = Retrieve | OpenBook
