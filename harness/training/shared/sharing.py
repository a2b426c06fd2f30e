"""Rows that begin alike -> lines in which what they share stands once, with the places that predict their targets.

A system prompt, a template's header, or one passage with five questions on it: the rows of a micro-batch form a trie,
as the requests of a suite do when they are scored. Gradients of all rows flow into the shared tokens, so they sum up
to those of the rows on their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.files import Json
from harness.models.prefixes.masks import AGREES, TrieMasks, Unsupported
from harness.models.prefixes.trie import Request, Row, Trie

DROPOUTS = ("attention_dropout", "attn_pdrop", "attention_probs_dropout_prob")  # not modules, in some architectures


@dataclass(frozen=True)
class SharedLines:
    """Lines of a trie, and how long the longest is."""

    lines: list[Row]
    size: int


def shared_lines(rows: Sequence[Json], cost: Any) -> SharedLines:
    """The rows' trie, in the cheapest of the layouts tried; `cost(lines, size)` says what a layout costs."""
    # A row's first token is its context, all others its targets; its last token predicts nothing, and is left out.
    trie = Trie([Request(str(i), row["input_ids"][:1], row["input_ids"][1:]) for i, row in enumerate(rows)])
    width, found = max(len(row["input_ids"]) for row in rows), []
    while True:
        lines = list(trie.rows(width, 2**31))
        found.append(SharedLines(lines, max(len(line.tokens) for line in lines)))
        if len(lines) == 1:
            return min(found, key=lambda layout: cost(len(layout.lines), layout.size))
        width *= 2


def shared_batch(layout: SharedLines, rows: Sequence[Json], pad: int, ignored: int) -> dict[str, torch.Tensor]:
    """The lines as tensors (B, T): `input_ids`, `position_ids` (a token's depth) and `ends` (of its descendants).

    One entry per target token, (1, S): the place in B * T that predicts it, the token, and its row's number, as
    `places`, `targets` and `owners`. `labels` (1, S + 1) is what the trainer counts targets by, and `rows` (1, N) has
    one entry for each token of the rows.
    """
    size, wanted = layout.size, []
    for number, line in enumerate(layout.lines):
        for row, places in line.scored.items():
            labels = rows[row]["labels"][1:]
            wanted += [(number * size + place, label, row) for place, label in zip(places, labels) if label != ignored]
    wanted.sort(key=lambda one: one[2])
    places, targets, owners = ([one[i] for one in wanted] for i in range(3))

    def filled(lists: Iterable[Sequence[int]], beyond: Any) -> torch.Tensor:
        return torch.tensor([[*own, *beyond(len(own))] for own in lists])

    return {
        "input_ids": filled((line.tokens for line in layout.lines), lambda n: [pad] * (size - n)),
        "position_ids": filled((line.depths for line in layout.lines), lambda n: [0] * (size - n)),
        "ends": filled((line.ends for line in layout.lines), lambda n: range(n + 1, size + 1)),  # padding: itself
        "places": torch.tensor([places]),
        "targets": torch.tensor([targets]),
        "owners": torch.tensor([owners]),
        "labels": torch.tensor([[ignored, *targets]]),
        "rows": torch.tensor([[number for number, row in enumerate(rows) for _ in row["input_ids"]]]),
    }


def shares(model: Any) -> bool:
    """Whether rows that begin alike can be computed together with the gradient that each would have alone.

    Not where the model's attention takes no mask, or where anything is dropped out: what is shared would be dropped
    for all rows at once. Tried on two short rows.
    """
    config = model.config.get_text_config()
    dropped = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    if any(dropped) or any(getattr(config, name, 0) for name in DROPOUTS):
        return False
    try:
        return _agrees(model, TrieMasks(model))
    except (Unsupported, TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        return False


@torch.no_grad()
def _agrees(model: Any, masks: TrieMasks) -> bool:
    """Whether two rows of six tokens, three of them shared, have the same logits as a trie and one by one."""
    vocabulary = model.config.get_text_config().vocab_size
    rows = [
        [(7 * i + 3) % vocabulary for i in range(3)] + [(11 * i + 5 * j + 1) % vocabulary for i in range(3)]
        for j in (0, 1)
    ]
    [line] = Trie([Request("", row[:1], [*row[1:], 0]) for row in rows]).rows(64, 64)
    device, training = next(model.parameters()).device, model.training
    model.eval()
    depths, ends = torch.tensor([line.depths], device=device), torch.tensor([line.ends], device=device)
    together = model(
        input_ids=torch.tensor([line.tokens], device=device),
        position_ids=depths,
        attention_mask=masks.of_rows(depths, ends),
        use_cache=False,
    ).logits[0]
    off = []
    for number, row in enumerate(rows):
        alone = model(input_ids=torch.tensor([row], device=device), use_cache=False).logits[0].float()
        off.append(float((together[line.scored[number]].float() - alone).abs().mean() / alone.std()))
    model.train(training)
    return max(off) <= AGREES.get(model.dtype, AGREES[torch.float32])
