"""Rows -> batches without padding, and the loss on their target tokens alone.

The rows of a micro-batch are written one after the other into a few lines of equal length. Position ids restart at
each row, and from these transformers makes block-diagonal masks. A row's gradient is the same packed or alone (Krell et
al. 2021, arXiv:2107.02027). No row is cut, and no row moves to another optimizer step. Rows of 5, 3 and 2 tokens:

    padded     0 0 0 0 0      packed     0 0 0 0 0
               1 1 1 . .                 1 1 1 2 2
               2 2 . . .

Rows that begin alike are computed as a trie instead, where that is cheaper: see `sharing`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from harness.files import Json
from harness.models.prefixes.masks import TrieMasks, language_model
from harness.training.shared.sharing import shared_batch, shared_lines, shares

IGNORED = -100  # label of a token that carries no loss
NO_ROW = -1  # the row's number of a padding token
WORTH = 0.85  # of the cost of packed rows; shared beginnings that spare less are not worth their masks


class Packing:
    """A data collator. `width` is the model's hidden size, which says how much attention costs beside the rest."""

    def __init__(self, model: Any, pad: int) -> None:
        self.pad = pad
        self.width = int(model.config.get_text_config().hidden_size)
        self.packs = packs(model)
        self.shares = self.packs and shares(language_model(model))

    def __call__(self, rows: Sequence[Json]) -> dict[str, torch.Tensor]:
        """`input_ids`, `labels`, `position_ids` and `rows` (the row that each token belongs to), each (B, T).

        A model that takes no position ids gets one row a line, and an `attention_mask` in their place. Rows that begin
        alike become a `shared_batch` where that is cheaper.

        No rows make one padding token, without a target.
        """
        rows = rows or [{"input_ids": [], "labels": []}]
        lengths = [len(row["input_ids"]) for row in rows]
        lines = lines_of(lengths, self.width) if self.packs else [[number] for number in range(len(rows))]
        size = max(1, max(sum(lengths[number] for number in line) for line in lines))
        if self.shares and size > 1:
            shared = shared_lines(rows, self._cost)
            if self._cost(len(shared.lines), shared.size) < WORTH * self._cost(len(lines), size):
                return shared_batch(shared, rows, self.pad, IGNORED)
        columns: dict[str, list[list[int]]] = {"input_ids": [], "labels": [], "position_ids": [], "rows": []}
        for line in lines:
            ids: list[int] = []
            labels: list[int] = []
            positions: list[int] = []
            whose: list[int] = []
            for number in line:
                row = rows[number]
                ids += row["input_ids"]
                labels += [IGNORED, *row["labels"][1:]]  # a row's first token is predicted by nothing of its own
                positions += range(lengths[number])
                whose += [number] * lengths[number]
            rest = size - len(ids)
            columns["input_ids"].append(ids + [self.pad] * rest)
            columns["labels"].append(labels + [IGNORED] * rest)
            columns["position_ids"].append(positions + [0] * rest)
            columns["rows"].append(whose + [NO_ROW] * rest)
        batch = {name: torch.tensor(values) for name, values in columns.items()}
        if not self.packs:
            del batch["position_ids"]
            batch["attention_mask"] = (batch["rows"] != NO_ROW).long()
        return batch

    def _cost(self, lines: int, size: int) -> float:
        return cost(lines, size, self.width)


def packs(model: Any) -> bool:
    """Whether the model sees row boundaries by its position ids."""
    stateful = bool(getattr(model, "_is_stateful", False))
    return not stateful and "position_ids" in inspect.signature(language_model(model).forward).parameters


def cost(lines: int, size: int, width: int) -> float:
    """What lines of equal size cost, in tokens of a model of that hidden size.

    A token, padding included, costs 1 for the matrices of the layers and (line length) / (6 * width) for attention
    (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).
    """
    return lines * size * (1 + size / (6 * width))


def lines_of(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Row numbers, line by line, in the cheapest of the layouts tried.

    For each candidate line length, rows go longest first into the first line that has room (first-fit decreasing).
    """
    order = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    longest, best, least = max(lengths), [], float("inf")
    for size in sorted({longest, *(total for total in _sums(lengths, order) if total > longest)}):
        lines: list[list[int]] = []
        room: list[int] = []
        for number in order:
            fits = next((i for i, left in enumerate(room) if left >= lengths[number]), None)
            if fits is None:
                lines.append([number])
                room.append(size - lengths[number])
            else:
                lines[fits].append(number)
                room[fits] -= lengths[number]
        costs = cost(len(lines), size - min(room), width)
        if costs < least:
            best, least = lines, costs
    return best


def _sums(lengths: Sequence[int], order: Sequence[int]) -> Iterator[int]:
    """Candidate line lengths: the longest row, then together with ever more of the shorter ones."""
    total = 0
    for number in order:
        total += lengths[number]
        yield total


def target_losses(model: Any, head: torch.nn.Module, batch: Json) -> tuple[torch.Tensor, torch.Tensor]:
    """Per target token its negative log-likelihood in nats, float32 (S,), and the row it belongs to (S,).

    The head runs only where the next token is a target.
    """
    given = {name: batch[name] for name in ("input_ids", "position_ids", "attention_mask") if name in batch}
    if "places" in batch:
        own = language_model(getattr(model, "module", model))
        given["attention_mask"] = TrieMasks(own).of_rows(batch["position_ids"], batch["ends"])
        places, targets, owners = batch["places"][0], batch["targets"][0], batch["owners"][0]
    else:
        labels = batch["labels"]  # (B, T)
        wanted = torch.nn.functional.pad(labels[:, 1:] != IGNORED, (0, 1))  # (B, T): is the token after it a target?
        places = wanted.flatten().nonzero()[:, 0]
        targets, owners = labels.flatten()[places + 1], batch["rows"].flatten()[places + 1]
    with _head_at(head, places):
        logits = model(**given, use_cache=False).logits[0]  # (S, V)
    return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none"), owners


@contextmanager
def _head_at(head: torch.nn.Module, places: torch.Tensor) -> Iterator[None]:
    """In this context the head sees the hidden states (B, T, C) at S places of the B * T only, as (1, S, C)."""

    def pick(module: Any, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (given[0].flatten(0, 1)[places][None],)

    hook = head.register_forward_pre_hook(pick)
    try:
        yield
    finally:
        hook.remove()
