"""Texts -> token ids as the model sees them: blocks of the joined documents, or documents cut to length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.errors import DataError


def packed_blocks(texts: Iterable[str], tokenizer: Any, length: int) -> list[list[int]]:
    """All documents, each ended by the end-of-text token, cut into blocks of `length`; the rest is left out."""
    import numpy

    end = tokenizer.eos_token_id
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    stream = numpy.concatenate([numpy.array([*ids, end], dtype=numpy.int32) for ids in encoded])
    blocks = len(stream) // length
    if blocks == 0:
        raise DataError(f"the pretraining text has {len(stream):,} tokens, less than one block of {length:,}.")
    return list(stream[: blocks * length].reshape(blocks, length).tolist())


def cut_documents(texts: Iterable[str], tokenizer: Any, length: int) -> tuple[list[list[int]], int]:
    """Each document's tokens, ended by the end-of-text token and cut at `length`; and how many were cut."""
    end = tokenizer.eos_token_id
    encoded = [[*ids, end] for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
    return [ids[:length] for ids in encoded], sum(len(ids) > length for ids in encoded)
