"""Prompts -> completions: each sequence holds a slot of the cache while it grows; a finished one makes room at once.

A slot's keys and values stand at its left, with nothing before them, and the mask shows each sequence its own alone;
so the tokens chosen do not depend on what else is in the batch (Yu et al. 2022, Orca: iteration-level scheduling).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch

from harness.errors import DeviceError, SuiteError
from harness.models.answering.likelihood import out_of_memory
from harness.models.answering.tree import TreeModel
from harness.models.answering.trie import Row

CPU_CACHE = 2**30  # bytes of keys and values held on a CPU
GPU_CACHE = 0.4  # share of a GPU's free memory for them
SLOTS = {"cpu": 96, "cuda": 512}  # sequences at most
PREFILL_TOKENS = {"cpu": 1024, "cuda": 2**15}  # prompt tokens of one forward pass


class NotFinite(SuiteError):
    """A next token was to be chosen from numbers that are none."""


@dataclass(frozen=True)
class Prompt:
    """Token ids to go on from, and what ends the completion: its length, a token, or a string in its text.

    A stop string that names a special token is that token; others are looked for in the text without special tokens.
    """

    name: str
    ids: Sequence[int]
    max_new_tokens: int
    stop_strings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completion:
    """The new token ids up to what ended them, their text up to a stop string, and whether the model ended it."""

    ids: list[int]
    text: str
    ended: bool


@dataclass(eq=False)
class _Sequence:
    number: int
    prompt: Prompt
    new: list[int] = field(default_factory=list)
    random: torch.Generator | None = None

    @property
    def tokens(self) -> list[int]:
        return [*self.prompt.ids, *self.new]


class Generator:
    """Completes prompts on one model; greedy at temperature 0, else each prompt draws from a generator of its own."""

    def __init__(self, model: Any, tree: TreeModel | None, tokenizer: Any, device: Any, context_length: int) -> None:
        self.model, self.tree, self.tokenizer = model, tree, tokenizer
        self.device, self.context_length = torch.device(device), context_length
        self.slots = SLOTS.get(self.device.type, SLOTS["cpu"])
        self.special = {number: token for token, number in tokenizer.get_added_vocab().items()}

    @torch.inference_mode()
    def complete(
        self, prompts: Sequence[Prompt], stop_ids: Sequence[int], temperature: float = 0.0, seed: int = 0
    ) -> list[Completion]:
        """Per prompt its completion. Raises SuiteError for a prompt that leaves no room, NotFinite for nan or inf."""
        for prompt in prompts:
            if not prompt.ids:
                raise SuiteError(f"sample {prompt.name}: its prompt has no tokens.")
            if len(prompt.ids) + prompt.max_new_tokens > self.context_length:
                raise SuiteError(
                    f"sample {prompt.name}: {len(prompt.ids)} prompt tokens and {prompt.max_new_tokens} new ones exceed "
                    f"the model's context of {self.context_length}.",
                    "Shorten the prompt or lower max_new_tokens; a prompt is never cut.",
                )
        waiting = [_Sequence(number, prompt) for number, prompt in enumerate(prompts)]
        if temperature:
            for sequence in waiting:
                sequence.random = torch.Generator().manual_seed(seed * 1_000_003 + sequence.number)
        ended: dict[int, Completion] = {}
        for sequence in [one for one in waiting if one.prompt.max_new_tokens < 1]:
            ended[sequence.number] = Completion([], "", False)
            waiting.remove(sequence)
        waiting.sort(key=lambda one: -_room(one))
        stops = frozenset(stop_ids)
        if self.tree is None:
            self._without_slots(waiting, ended, stops, temperature)
        else:
            with self.tree.linears:
                self._in_slots(self.tree, waiting, ended, stops, temperature)
        return [ended[number] for number in range(len(prompts))]

    def _in_slots(
        self,
        tree: TreeModel,
        waiting: list[_Sequence],
        ended: dict[int, Completion],
        stops: frozenset[int],
        temperature: float,
    ) -> None:
        running: list[_Sequence] = []
        cache: _Slots | None = None
        while waiting or running:
            try:
                if cache is None or (not running and self._has_outgrown(cache, waiting)):
                    cache = None  # before the next is made
                    cache = self._new_slots(waiting)
                free = cache.size - len(running)
                enter = free >= max(1, cache.size // 16) and not self._has_outgrown(cache, waiting)
                if waiting and (not running or enter):
                    entering = self._entering(waiting, free)
                    first = cache.fill(tree, [one.tokens for one in entering], len(running))
                    del waiting[: len(entering)]
                    running += entering
                    states, chosen_for = first, entering
                else:
                    states, chosen_for = cache.step(tree, [one.tokens[-1] for one in running]), running
                for one, token in zip(chosen_for, self._choose(tree, states, chosen_for, temperature), strict=True):
                    one.new.append(token)
                grown = set(chosen_for)
                for slot in reversed(range(len(running))):
                    done = self._ended(running[slot], stops) if running[slot] in grown else None
                    if done is not None:
                        ended[running[slot].number] = done
                        cache.free(slot, len(running) - 1)
                        running[slot] = running[-1]
                        running.pop()
            except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                size = cache.size if cache else self.slots
                if size == 1:
                    name = (running or waiting)[0].prompt.name
                    raise DeviceError(
                        f"sample {name}: memory of {self.device} runs out on this sample alone.",
                        "Use a device with more memory, a smaller model, or lower max_new_tokens.",
                    ) from error
                self.slots = size // 2
                waiting[:0] = running  # they enter again with the tokens they have
                running, cache = [], None
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()

    def _new_slots(self, waiting: Sequence[_Sequence]) -> _Slots:
        capacity = max(map(_room, waiting))
        held = CPU_CACHE
        if self.device.type == "cuda":
            held = int(torch.cuda.mem_get_info(self.device)[0] * GPU_CACHE)
        fit = held // (capacity * bytes_per_token(self.model))
        return _Slots(self.model, max(1, min(self.slots, fit, len(waiting))), capacity)

    def _has_outgrown(self, cache: _Slots, waiting: Sequence[_Sequence]) -> bool:
        """Whether slots of half the length, and so more of them, would do for all that still waits."""
        return bool(waiting) and cache.size < self.slots and max(map(_room, waiting)) * 2 <= cache.capacity

    def _entering(self, waiting: Sequence[_Sequence], free: int) -> list[_Sequence]:
        """The next sequences to start, as many as have a slot and fit one forward pass."""
        longest, count = 0, 0
        budget = PREFILL_TOKENS.get(self.device.type, PREFILL_TOKENS["cpu"])
        for one in waiting[:free]:
            longest = max(longest, len(one.tokens))
            if count and longest * (count + 1) > budget:
                break
            count += 1
        return list(waiting[:count])

    def _choose(
        self, tree: TreeModel, states: torch.Tensor, sequences: Sequence[_Sequence], temperature: float
    ) -> list[int]:
        """The next token of each sequence."""
        chosen: list[int] = []
        for start, logits in tree.logits(states):
            highest, best = logits.max(-1)
            if not bool(torch.isfinite(highest).all()):
                which = int((~torch.isfinite(highest)).int().argmax())
                raise NotFinite(
                    f"sample {sequences[start + which].prompt.name}: next-token scores hold nan or inf.",
                    "Its weights or activations have overflowed; the stability suite says in which dtypes.",
                )
            if temperature:
                spread = logits.div_(temperature).softmax(-1).cumsum(-1)
                mine = sequences[start : start + len(logits)]
                draws = torch.stack([torch.rand(1, generator=one.random) for one in mine]).to(spread.device)
                best = torch.searchsorted(spread, draws * spread[:, -1:]).squeeze(1).clamp_(max=logits.shape[-1] - 1)
            chosen += best.tolist()
        return chosen

    def _ended(self, one: _Sequence, stops: frozenset[int]) -> Completion | None:
        """The completion, where the sequence's last token ended it."""
        if one.new[-1] in stops or self.special.get(one.new[-1]) in one.prompt.stop_strings:
            return self._completion(one, one.new[:-1], True)
        if one.prompt.stop_strings:
            last = max(len(stop.encode()) for stop in one.prompt.stop_strings) + 4  # bytes; a token holds at least one
            end = self.tokenizer.decode(one.new[-last:], skip_special_tokens=True)
            if any(stop in end for stop in one.prompt.stop_strings):
                whole = self.tokenizer.decode(one.new, skip_special_tokens=True)
                if any(stop in whole for stop in one.prompt.stop_strings):
                    return self._completion(one, one.new, True)
        if len(one.new) >= one.prompt.max_new_tokens:
            return self._completion(one, one.new, False)
        return None

    def _completion(self, one: _Sequence, ids: list[int], ended: bool) -> Completion:
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        for stop in one.prompt.stop_strings:
            text = text.split(stop)[0]
        return Completion(list(ids), text, ended)

    def _without_slots(
        self, waiting: list[_Sequence], ended: dict[int, Completion], stops: frozenset[int], temperature: float
    ) -> None:
        """By the model's own generate, prompts of equal length together: nothing is padded, whatever it attends by."""
        waiting.sort(key=lambda one: (-len(one.prompt.ids), -one.prompt.max_new_tokens))
        for (_, new), group in groupby(waiting, key=lambda one: (len(one.prompt.ids), one.prompt.max_new_tokens)):
            alike = list(group)
            size = 1 if temperature else self.slots
            for start in range(0, len(alike), size):
                batch = alike[start : start + size]
                ids = torch.tensor([one.prompt.ids for one in batch], device=self.device)
                if temperature and batch[0].random is not None:
                    torch.manual_seed(batch[0].random.initial_seed())
                sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
                out = self.model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=new,
                    eos_token_id=sorted(stops),
                    pad_token_id=self.tokenizer.pad_token_id,
                    logits_processor=[_Finite(batch)],
                    **(
                        sampling
                        if temperature
                        else {"do_sample": False, "temperature": None, "top_k": None, "top_p": None}
                    ),
                )[:, ids.shape[1] :].tolist()
                for one, row in zip(batch, out, strict=True):
                    for token in row:
                        one.new.append(token)
                        done = self._ended(one, stops)
                        if done is not None:
                            ended[one.number] = done
                            break


def _room(one: _Sequence) -> int:
    """Tokens that the sequence may come to hold."""
    return len(one.prompt.ids) + one.prompt.max_new_tokens


def bytes_per_token(model: Any) -> int:
    """Of the keys and values of one token, in all layers."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize)


class _Finite:
    """A logits processor that raises NotFinite before a token is drawn from nan or inf: on CUDA that ends the process."""

    def __init__(self, batch: Sequence[_Sequence]) -> None:
        self.batch = batch

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        bad = torch.isnan(scores).any(-1) | torch.isposinf(scores).any(-1)
        if bool(bad.any()):
            name = self.batch[int(bad.int().argmax())].prompt.name
            raise NotFinite(f"sample {name}: next-token scores hold nan or inf.")
        return scores


class _Slots:
    """Keys and values of up to `size` sequences of up to `capacity` tokens, per layer (size, H, capacity, D).

    The sequences in use are slots 0..n-1; `lengths` says how many tokens each has computed.
    """

    def __init__(self, model: Any, size: int, capacity: int) -> None:
        from transformers.cache_utils import Cache

        self.size, self.capacity = size, capacity
        self.lengths: list[int] = []
        count = model.config.get_text_config().num_hidden_layers
        self.layers = [_layer(self) for _ in range(count)]
        self.cache = Cache(layers=self.layers)
        self.filling: range | None = None  # slots whose prompts are computed now; None: one token for each in use

    def fill(self, tree: TreeModel, sequences: Sequence[list[int]], at: int) -> torch.Tensor:
        """Compute the sequences into the slots from `at` on; last hidden states at each one's last token (n, C)."""
        self.filling = range(at, at + len(sequences))
        rows = [Row([], list(ids), list(range(len(ids))), [len(ids)] * len(ids)) for ids in sequences]
        width = max(map(len, sequences))
        places = torch.tensor([i * width + len(ids) - 1 for i, ids in enumerate(sequences)], device=tree.device)
        states = tree.states(rows, places, cache=self.cache)
        self.lengths += [len(ids) for ids in sequences]
        return states

    def step(self, tree: TreeModel, tokens: Sequence[int]) -> torch.Tensor:
        """Compute one more token of each sequence in use; its last hidden states (n, C)."""
        self.filling = None
        lengths = torch.tensor(self.lengths, device=tree.device)
        self.at, self.width = lengths, max(self.lengths) + 1
        states = tree.next_states(torch.tensor(tokens, device=tree.device), lengths, self.width, self.cache)
        self.lengths = [length + 1 for length in self.lengths]
        return states

    def free(self, slot: int, last: int) -> None:
        """Give the slot up; the last one in use moves there."""
        if slot != last:
            length = self.lengths[last]
            for layer in self.layers:
                layer.keys[slot, :, :length] = layer.keys[last, :, :length]
                layer.values[slot, :, :length] = layer.values[last, :, :length]
            self.lengths[slot] = self.lengths[last]
        self.lengths.pop()


def _layer(slots: _Slots) -> Any:
    """One layer's share of the slots, as transformers' cache wants it."""
    from transformers.cache_utils import DynamicLayer

    class Layer(DynamicLayer):
        keys: Any
        values: Any

        def update(self, key_states: Any, value_states: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
            if self.keys is None:
                _, heads, _, width = key_states.shape
                self.keys = key_states.new_zeros((slots.size, heads, slots.capacity, width))
                self.values = value_states.new_zeros((slots.size, heads, slots.capacity, value_states.shape[-1]))
                self.is_initialized = True
            if slots.filling is not None:
                where = slice(slots.filling.start, slots.filling.stop)
                self.keys[where, :, : key_states.shape[2]] = key_states
                self.values[where, :, : value_states.shape[2]] = value_states
                return key_states, value_states
            n = len(key_states)
            every = torch.arange(n, device=key_states.device)
            self.keys[every, :, slots.at] = key_states[:, :, 0]
            self.values[every, :, slots.at] = value_states[:, :, 0]
            return self.keys[:n, :, : slots.width], self.values[:n, :, : slots.width]

        def get_seq_length(self) -> int:
            return 0 if slots.filling is not None else slots.width - 1

    return Layer()
