"""Attention masks for rows of tries: each token sees its ancestors in the trie and itself.

Its position id is its depth. So every hidden state is the one that its sequence alone would give (tree attention, as in
SpecInfer, Miao et al. 2024, arXiv:2305.09781). Shapes: B rows of T tokens, P tokens of a prefix, N sequences.
"""

from __future__ import annotations

from typing import Any

import torch

# How far logits for a trie may be from plain ones, as a share of the logits' standard deviation.
AGREES = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}


class Unsupported(Exception):
    """The model cannot compute rows of tries exactly; the message says why."""


class TrieMasks:
    """The masks that one model's attention layers take. Raises Unsupported for a model whose attention takes none."""

    def __init__(self, model: Any) -> None:
        self.windows = attention_windows(model)
        self.is_boolean, self.dtype = model.config._attn_implementation == "sdpa", model.dtype

    def of_rows(self, depths: torch.Tensor, ends: torch.Tensor, prefix_length: int = 0) -> Any:
        """Which keys each token sees, (B, 1, T, P + T), per kind of attention layer where there are several.

        depths and ends have shape (B, T). Token j sees token i where i <= j < ends[i], and all of the prefix. A sliding
        window counts in depths: the distance within the token's own sequence.
        """
        index = torch.arange(depths.shape[1], device=depths.device)
        seen = (index[:, None] >= index) & (index[:, None] < ends[:, None, :])  # (B, T, T): query j, key i
        seen = torch.nn.functional.pad(seen, (prefix_length, 0), value=True)
        before = torch.arange(prefix_length, device=depths.device).expand(len(depths), -1)
        at = torch.cat([before, depths], 1)  # (B, P + T)
        masks = {}
        for kind, window in self.windows.items():
            mask = seen if window is None else seen & (depths[:, :, None] - at[:, None, :] < window)
            masks[kind] = self._as_attention_takes_it(mask[:, None])
        return self._per_layer(masks)

    def of_next_tokens(self, lengths: torch.Tensor, width: int) -> Any:
        """Which of `width` places one more token of each of N sequences sees, (N, 1, 1, width): its own, and no later.

        lengths (N,) are the tokens before it; it stands at the place after them.
        """
        index = torch.arange(width, device=lengths.device)
        masks = {}
        for kind, window in self.windows.items():
            mask = index <= lengths[:, None]  # (N, width)
            if window is not None:
                mask &= lengths[:, None] - index < window
            masks[kind] = self._as_attention_takes_it(mask[:, None, None])
        return self._per_layer(masks)

    @staticmethod
    def _per_layer(masks: dict[str, torch.Tensor]) -> Any:
        """The only mask, or one per kind of attention layer."""
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _as_attention_takes_it(self, mask: torch.Tensor) -> torch.Tensor:
        """The boolean mask as it is, or added to attention scores: 0 where seen, the lowest number elsewhere."""
        if self.is_boolean:
            return mask
        return torch.zeros_like(mask, dtype=self.dtype).masked_fill(~mask, torch.finfo(self.dtype).min)


def language_model(model: Any) -> Any:
    """The language model itself, with its adapters but without peft's wrapper."""
    return model.get_base_model() if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else model


def attention_windows(model: Any) -> dict[str, int | None]:
    """Kind of attention layer -> how many tokens it sees (None: all before it). Raises Unsupported for other kinds."""
    config = model.config.get_text_config()
    if getattr(model, "_is_stateful", False):
        raise Unsupported("it keeps a state instead of attending to tokens")
    if model.config._attn_implementation not in ("sdpa", "eager"):
        raise Unsupported(f"its attention is {model.config._attn_implementation}, which takes no mask of trees")
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None) or ["sliding_attention" if window else "full_attention"]
    known = {"full_attention": None, "sliding_attention": window}
    other = set(kinds) - set(known)
    if other:
        raise Unsupported(f"it has layers of {', '.join(sorted(other))}")
    return {kind: known[kind] for kind in dict.fromkeys(kinds)}
