"""A cache of keys and values in slots, one growing sequence in each; a freed slot is another's at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from harness.models.answering.replay import Steps
from harness.models.answering.tree import Prefix, TreeModel
from harness.models.prefixes.trie import Row


class Slots:
    """Keys and values of up to `size` sequences of up to `capacity` tokens, per layer (size, H, capacity, D).

    The sequences in use are slots 0..n-1; `lengths` says how many tokens each has computed. All sequences begin with
    the tokens of `prefix`, where there is one: their keys and values are copied into each slot.
    """

    def __init__(self, model: Any, size: int, capacity: int, prefix: Prefix | None = None) -> None:
        from transformers.cache_utils import Cache

        self.size, self.capacity, self.prefix = size, capacity, prefix
        self.shared = prefix.length if prefix else 0
        self.lengths: list[int] = []
        config = model.config.get_text_config()
        count = config.num_hidden_layers
        self.kinds = list(getattr(config, "layer_types", None) or ["all"] * count)  # of one kind, layers are alike
        self.held: dict[tuple[Any, ...], torch.Tensor] = {}  # keys, and values, of all layers of a kind
        self.layers = [_layer(self, number) for number in range(count)]
        self.cache = Cache(layers=self.layers)
        self.filling: range | None = None  # slots whose prompts are computed now; None: one token for each in use
        self.steps = Steps(size, capacity, model.device) if model.device.type == "cuda" else None

    def fill(self, tree: TreeModel, sequences: Sequence[list[int]], at: int) -> torch.Tensor:
        """Compute the sequences into the slots from `at` on; last hidden states at each one's last token (n, C)."""
        self.filling = range(at, at + len(sequences))
        rows = [_row(ids, self.shared) for ids in sequences]
        width = max(len(row.tokens) for row in rows)
        places = torch.tensor([i * width + len(row.tokens) - 1 for i, row in enumerate(rows)], device=tree.device)
        states = tree.states(rows, places, self.prefix, self.cache)
        self.lengths += [len(ids) for ids in sequences]
        return states

    def step(self, tree: TreeModel, tokens: Sequence[int]) -> torch.Tensor:
        """Compute one more token of each sequence in use; its last hidden states (n, C)."""

        def compute(tokens: torch.Tensor, lengths: torch.Tensor, width: int) -> torch.Tensor:
            self.at, self.width = lengths, width
            return tree.next_states(tokens, lengths, width, self.cache)

        self.filling = None
        if self.steps is None:
            asked = torch.tensor([[*tokens], self.lengths], device=tree.device)
            states = compute(asked[0], asked[1], max(self.lengths) + 1)
        else:
            states = self.steps.states(compute, tokens, self.lengths)
        self.lengths = [length + 1 for length in self.lengths]
        return states

    def room(self, what: str, layer: int, like: torch.Tensor) -> torch.Tensor:
        """Where a layer's keys or values (size, H, capacity, D) are kept; `like` has their H and D."""
        kind = self.kinds[layer]
        held = (what, kind, like.shape[1], like.shape[-1])
        if held not in self.held:
            shape = (self.kinds.count(kind), self.size, like.shape[1], self.capacity, like.shape[-1])
            self.held[held] = like.new_zeros(shape)
        return self.held[held][self.kinds[:layer].count(kind)]

    def release(self) -> None:
        """Give up the memory now. Slots and layers refer to each other, so Python alone would keep it for a while."""
        if self.steps is not None:
            self.steps.release()
        for layer in self.layers:
            layer.keys = layer.values = None
        self.layers.clear()
        self.held.clear()

    def free(self, slot: int, last: int) -> None:
        """Give the slot up. The last one in use moves there, so those in use stay the first n."""
        if slot != last:
            length = self.lengths[last]
            for held in self.held.values():
                held[:, slot, :, :length] = held[:, last, :, :length]
            self.lengths[slot] = self.lengths[last]
        self.lengths.pop()


def _row(ids: Sequence[int], shared: int) -> Row:
    """What a sequence adds to a prefix of so many tokens."""
    own = list(ids[shared:])
    return Row(list(ids[:shared]), own, list(range(shared, len(ids))), [len(own)] * len(own))


def _layer(slots: Slots, number: int) -> Any:
    """One layer's keys and values, behind the interface of transformers' cache."""
    from transformers.cache_utils import DynamicLayer

    class Layer(DynamicLayer):
        keys: Any
        values: Any

        def update(self, key_states: Any, value_states: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
            if self.keys is None:
                self.keys = slots.room("keys", number, key_states)
                self.values = slots.room("values", number, value_states)
                self.is_initialized = True
            if slots.filling is not None:
                if slots.prefix is not None:
                    key_states, value_states = slots.prefix.before(number, key_states, value_states)
                where = slice(slots.filling.start, slots.filling.stop)
                self.keys[where, :, : key_states.shape[2]] = key_states
                self.values[where, :, : value_states.shape[2]] = value_states
                return key_states, value_states
            n = len(key_states)  # one new token of each sequence in use: (n, H, 1, D)
            every = torch.arange(n, device=key_states.device)
            self.keys[every, :, slots.at] = key_states[:, :, 0]
            self.values[every, :, slots.at] = value_states[:, :, 0]
            return self.keys[:n, :, : slots.width], self.values[:n, :, : slots.width]

        def get_seq_length(self) -> int:
            return slots.shared if slots.filling is not None else slots.width - 1

    return Layer()


def bytes_per_token(model: Any) -> int:
    """Bytes of the keys and values of one token, in all layers."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize)
