"""Texts -> token ids as the model sees them: blocks of all documents joined, or single documents cut to length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.errors import DataError


def packed_blocks(texts: Iterable[str], tokenizer: Any, length: int) -> list[list[int]]:
    """The documents joined, with an end-of-text token after each, and cut into blocks of `length` tokens.

    The tokens after the last whole block are left out. Raises DataError if there is no whole block.
    """
    import numpy

    end = tokenizer.eos_token_id
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    stream = numpy.concatenate([numpy.array([*ids, end], dtype=numpy.int32) for ids in encoded])
    blocks = len(stream) // length
    if blocks == 0:
        raise DataError(f"the pretraining text has {len(stream):,} tokens, less than one block of {length:,}.")
    return list(stream[: blocks * length].reshape(blocks, length).tolist())


def cut_documents(texts: Iterable[str], tokenizer: Any, length: int) -> tuple[list[list[int]], int]:
    """Each document's tokens with the end-of-text token, cut at `length`; and the number of documents cut."""
    end = tokenizer.eos_token_id
    encoded = [[*ids, end] for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
    return [ids[:length] for ids in encoded], sum(len(ids) > length for ids in encoded)
