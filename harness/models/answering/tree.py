"""Rows of tries -> hidden states and log-probabilities, by any causal language model whose attention takes a mask.

Each token attends to its ancestors in the trie and to itself, see `harness.models.prefixes.masks`. The language-model
head runs only where a log-probability is asked for.

Shapes: B rows of T tokens, P tokens of a prefix, N places, C hidden size, V vocabulary, H heads, D head size.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from harness.models.answering.measured import computed_in
from harness.models.answering.onednn import OneDnnLinears
from harness.models.prefixes.masks import AGREES, TrieMasks, Unsupported, language_model
from harness.models.prefixes.trie import Request, Row, Trie

LOGITS_AT_ONCE = {"cpu": 2**23, "cuda": 2**27}  # elements of one chunk of logits in float32


class TreeModel:
    """A causal language model, split into its body and its head, without a copy of either.

    Raises Unsupported where its logits for a small trie differ from the model's plain ones.
    """

    def __init__(self, model: Any, device: Any) -> None:
        self.model, self.device = language_model(model), torch.device(device)
        self.body: Any = getattr(self.model, self.model.base_model_prefix or "", None)
        self.masks = TrieMasks(self.model)
        if self.body is None or self.body is self.model:
            raise Unsupported("its body and its head cannot be separated")
        if "position_ids" not in inspect.signature(self.body.forward).parameters:
            raise Unsupported("it takes no position ids")
        stacks = [module for module in self.body.children() if isinstance(module, torch.nn.ModuleList)]
        self.last_feed_forward: Any = getattr(stacks[0][-1], "mlp", None) if len(stacks) == 1 else None
        self.logits_at_once = LOGITS_AT_ONCE.get(self.device.type, LOGITS_AT_ONCE["cpu"])
        try:
            self._compare_with_plain()
        except Unsupported:
            if self.last_feed_forward is None:
                raise
            self.last_feed_forward = None  # a mixture of experts returns more than hidden states
            self._compare_with_plain()
        self.linears = OneDnnLinears(self.model)

    def states(
        self, rows: Sequence[Row], places: torch.Tensor, prefix: Prefix | None = None, cache: Any = None
    ) -> torch.Tensor:
        """Last hidden states (N, C) at N places of the rows, which all share the prefix.

        The rows are laid out as (B, T), T being the longest row's length. A place is an index into all B * T tokens.
        Where a cache is given, the rows' keys and values are written into it, and it puts those of the prefix before.
        """
        length = max(len(row.tokens) for row in rows)

        def filled(lists: list[list[int]], beyond: Any) -> torch.Tensor:
            return torch.tensor([[*own, *beyond(len(own))] for own in lists], device=self.device)

        tokens = filled([row.tokens for row in rows], lambda n: [0] * (length - n))
        if prefix is None and all(row.is_sequence for row in rows):  # as models compute them, without a mask in memory
            depths, mask = filled([row.depths for row in rows], lambda n: range(n, length)), None
        else:
            depths = filled([row.depths for row in rows], lambda n: [0] * (length - n))
            ends = filled([row.ends for row in rows], lambda n: range(n + 1, length + 1))  # padding sees itself alone
            mask = self.masks.of_rows(depths, ends, prefix.length if prefix else 0)
        with self._last_feed_forward_at(places):
            found = self.body(
                input_ids=tokens,
                position_ids=depths,
                attention_mask=mask,
                past_key_values=prefix.cache() if prefix and cache is None else cache,
                use_cache=prefix is not None or cache is not None,
            )
        return found[0].flatten(0, 1)[places]

    def next_states(self, tokens: torch.Tensor, lengths: torch.Tensor, width: int, cache: Any) -> torch.Tensor:
        """Last hidden states (N, C) of one more token (N,) of each of N sequences.

        lengths (N,) are the tokens computed so far; the new one is written after them. The cache shows `width` places
        of every sequence, and the mask hides those beyond its own.
        """
        found = self.body(
            input_ids=tokens[:, None],
            position_ids=lengths[:, None],
            attention_mask=self.masks.of_next_tokens(lengths, width),
            past_key_values=cache,
            use_cache=True,
        )
        return found[0][:, 0]

    def prefix(self, tokens: Sequence[int], earlier: Prefix | None = None) -> Prefix:
        """Keys and values of a prefix that many rows share; `earlier` holds those of its beginning."""
        known = earlier.length if earlier else 0
        new = range(known, len(tokens))
        row = Row(tokens[:known], list(tokens[known:]), list(new), [len(new)] * len(new))
        made = Prefix(earlier.layers if earlier else None)
        cache = made.cache(keep=True)
        depths, mask = torch.tensor([row.depths], device=self.device), None
        if known:  # else as models compute it, without a mask in memory
            mask = self.masks.of_rows(depths, torch.tensor([row.ends], device=self.device), known)
        self.body(
            input_ids=torch.tensor([row.tokens], device=self.device),
            position_ids=depths,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        )
        made.layers = [(layer.keys, layer.values) for layer in cache.layers]
        return made

    def logits(self, hidden: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """Logits of the hidden states (N, C) in chunks that fit memory: (offset, float32 (S, V)) of each."""
        size = max(1, self.logits_at_once // self.model.config.get_text_config().vocab_size)
        with self._body_gives() as give:
            for start in range(0, len(hidden), size):
                give(hidden[start : start + size][None])
                yield start, self.model(input_ids=self._any_token, use_cache=False).logits[0].float()

    @property
    def _any_token(self) -> torch.Tensor:
        return torch.zeros((1, 1), dtype=torch.long, device=self.device)

    @contextmanager
    def _body_gives(self) -> Iterator[Any]:
        """In this context the model's body returns what it is given, so its forward computes the head alone.

        Calling the model rather than its head keeps what it does to logits itself, such as scaling and soft-capping.
        """
        from transformers.modeling_outputs import BaseModelOutputWithPast

        class Given(BaseModelOutputWithPast):
            def __getattr__(self, name: str) -> None:
                """None for whatever else a body may return: cross attentions, a router's logits."""
                if name.startswith("__"):
                    raise AttributeError(name)

        given: list[torch.Tensor] = []

        def forward(*_: Any, **__: Any) -> Any:
            return Given(last_hidden_state=given[0])

        own = self.body.__dict__.get("forward")
        self.body.forward = forward
        try:
            yield lambda hidden: given.__setitem__(slice(None), [hidden])
        finally:
            if own is None:
                del self.body.forward
            else:
                self.body.forward = own

    @contextmanager
    def _last_feed_forward_at(self, places: torch.Tensor) -> Iterator[None]:
        """In this context the last layer's feed-forward network computes those places only: the others reach no head."""
        if self.last_feed_forward is None:
            yield
            return

        def pick(module: Any, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            shapes.append(given[0].shape)
            return (given[0].flatten(0, 1)[places],)

        def put_back(module: Any, given: Any, found: torch.Tensor) -> torch.Tensor:
            whole = found.new_zeros(shapes[-1]).flatten(0, 1)
            whole[places] = found
            return whole.view(shapes[-1])

        shapes: list[torch.Size] = []
        hooks = [
            self.last_feed_forward.register_forward_pre_hook(pick),
            self.last_feed_forward.register_forward_hook(put_back),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @torch.inference_mode()
    def _compare_with_plain(self) -> None:
        """Raise Unsupported unless three short requests have the same logits as rows, under a prefix, and one by one."""
        vocabulary = self.model.config.get_text_config().vocab_size
        context = [(7 * i + 3) % vocabulary for i in range(6)]
        targets = [[(11 * i + 5 * j + 1) % vocabulary for i in range(4)] for j in range(3)]
        trie = Trie([Request("", context, target) for target in targets])
        [row] = trie.rows(width=64, budget=64)
        late = Row(context[:3], row.tokens[3:], row.depths[3:], [end - 3 for end in row.ends[3:]], row.scored)
        try:
            paths = [torch.tensor([[*context, *target[:-1]]], device=self.device) for target in targets]
            plain = torch.cat([self.model(path).logits[0, 5:] for path in paths]).float()
            if not bool(torch.isfinite(plain).all()):
                return  # a model that has diverged raises its error where it is scored
            for form, prefix, skipped in ((row, None, 0), (late, self.prefix(context[:3]), 3)):
                second = len(form.tokens)  # the same row twice; compare the second, so that B > 1 is tried too
                places = [second + place - skipped for request in range(3) for place in row.scored[request]]
                states = self.states([form, form], torch.tensor(places, device=self.device), prefix)
                own = torch.cat([logits for _, logits in self.logits(states)])
                off = float((own - plain).abs().mean() / plain.std())
                if not off <= AGREES[computed_in(self.model)]:
                    raise Unsupported(f"its logits for a tree of tokens are off by {off:.1e} of their spread")
        except (TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise Unsupported(f"{type(error).__name__}: {str(error).splitlines()[0][:200]}") from error


class Prefix:
    """Keys and values of tokens that many rows start with, per layer (1, H, P, D)."""

    def __init__(self, layers: list[tuple[torch.Tensor, torch.Tensor]] | None = None) -> None:
        self.layers = layers or []

    @property
    def length(self) -> int:
        return int(self.layers[0][0].shape[-2]) if self.layers else 0

    def before(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A layer's keys and values of rows (B, H, T, D), after those of the prefix: (B, H, P + T, D)."""
        of_prefix = [held.expand(len(keys), -1, -1, -1) for held in self.layers[layer]]
        return torch.cat([of_prefix[0], keys], dim=-2), torch.cat([of_prefix[1], values], dim=-2)

    def cache(self, keep: bool = False) -> Any:
        """A transformers cache that puts the prefix before new keys; new ones stay in it with `keep` only."""
        from transformers.cache_utils import Cache, DynamicLayer

        class Layer(DynamicLayer):
            keys: Any
            values: Any

            def update(self, key_states: Any, value_states: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
                if self.keys is None:
                    keys, values = key_states, value_states
                else:
                    size = (len(key_states), -1, -1, -1)
                    keys = torch.cat([self.keys.expand(size), key_states], dim=-2)
                    values = torch.cat([self.values.expand(size), value_states], dim=-2)
                if keep:
                    self.keys, self.values, self.is_initialized = keys, values, True
                return keys, values

            def get_seq_length(self) -> int:
                return 0 if self.keys is None else int(self.keys.shape[-2])

        if not self.layers:
            return Cache(layer_class_to_replicate=Layer)
        layers: list[Any] = []
        for keys, values in self.layers:
            layer = Layer()
            layer.keys, layer.values, layer.is_initialized = keys, values, True
            layers.append(layer)
        return Cache(layers=layers)
