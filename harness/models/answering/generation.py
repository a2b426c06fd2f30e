"""Prompts -> completions, batched continuously: a finished sequence gives its slot of the cache to the next at once.

Iteration-level scheduling, as in Orca (Yu et al. 2022). A slot's keys and values start at its left end without
padding, and the mask shows each sequence its own keys alone. So in float32 the tokens chosen do not depend on the rest
of the batch; in half precision the batch's shape changes how sums are rounded, and a token where two are almost equal.
What all prompts begin with, such as a system prompt, is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, takewhile
from typing import Any, Literal

import torch

from harness.errors import DeviceError, SuiteError
from harness.files import Json
from harness.models.answering.likelihood import fixed_batch_too_large
from harness.models.answering.slots import Slots, bytes_per_token
from harness.models.answering.tree import Prefix, TreeModel
from harness.models.loading.vocabulary import check_ids, embeddings, padding
from harness.models.prefixes.trie import SHARED_AT_LEAST
from harness.models.tools.memory import free_memory_bytes, give_back_memory
from harness.models.tools.progress import Watch, unwatched
from harness.worker.failures import says_out_of_memory

CPU_CACHE = 2**30  # bytes of keys and values held on a CPU
GPU_CACHE = 0.4  # share of a GPU's free memory for them
SLOTS = {"cpu": 96, "cuda": 512}  # sequences at most
FIXED_SLOTS = 64  # where batches are fixed
PREFILL_TOKENS = {"cpu": 1024, "cuda": 2**15}  # prompt tokens of one forward pass

FinishReason = Literal["end", "stop", "length"]  # by a token that ends the turn, a stop string, or max_new_tokens


class NotFinite(SuiteError):
    """The logits from which the next token is chosen contain NaN or inf."""


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
    """What the model added to a prompt."""

    ids: list[int]  # without the stop token
    text: str  # up to a stop string
    finish_reason: FinishReason

    @property
    def ended(self) -> bool:
        """Whether the model ended it; False where it was cut at max_new_tokens."""
        return self.finish_reason != "length"


@dataclass(eq=False)
class _Sequence:
    number: int
    prompt: Prompt
    new: list[int] = field(default_factory=list)
    random: torch.Generator | None = None

    @property
    def tokens(self) -> list[int]:
        return [*self.prompt.ids, *self.new]


@dataclass
class _Asked:
    """The sequences of one call: those that wait for a slot, and the completions of those that ended."""

    waiting: list[_Sequence]
    ended: dict[int, Completion]
    stops: frozenset[int]
    temperature: float
    number: int  # of sequences in all
    prefix: Prefix | None = None  # keys and values of what all prompts begin with

    @property
    def share(self) -> float:
        """How many of them have ended, 0 to 1."""
        return len(self.ended) / self.number


class Generator:
    """Completes prompts on one model; greedy at temperature 0, else each prompt draws from a generator of its own."""

    def __init__(self, model: Any, tree: TreeModel | None, tokenizer: Any, device: Any, context_length: int) -> None:
        self.model, self.tree, self.tokenizer = model, tree, tokenizer
        self.device, self.context_length = torch.device(device), context_length
        self.size_batches(fixed=False)
        self.watch: Watch = unwatched
        self.special = {number: token for token, number in tokenizer.get_added_vocab().items()}
        self.texts: dict[int, str] = {}  # of tokens alone
        ids = tokenizer.encode("a , b", add_special_tokens=False)
        self.cleans = " ," not in tokenizer.decode(ids, skip_special_tokens=True)  # it takes blanks out of texts

    def size_batches(self, fixed: bool) -> None:
        """As many slots whatever memory is free, an error where it runs out; or as many as fit, up to the device's."""
        self.fixed = fixed
        self.slots = FIXED_SLOTS if fixed else SLOTS.get(self.device.type, SLOTS["cpu"])

    @torch.inference_mode()
    def complete(
        self, prompts: Sequence[Prompt], stop_ids: Sequence[int], temperature: float = 0.0, seed: int = 0
    ) -> list[Completion]:
        """Per prompt its completion. Raises SuiteError for a prompt that leaves no room, NotFinite for nan or inf."""
        known = embeddings(self.model)
        for prompt in prompts:
            if not prompt.ids:
                raise SuiteError(f"sample {prompt.name}: its prompt has no tokens.")
            check_ids(prompt.ids, known, f"sample {prompt.name}", self.tokenizer)
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
            ended[sequence.number] = Completion([], "", "length")
            waiting.remove(sequence)
        waiting.sort(key=lambda one: -_room(one))
        asked = _Asked(waiting, ended, frozenset(stop_ids), temperature, len(prompts))
        if self.tree is None:
            self._without_slots(asked)
        else:
            with self.tree.linears:
                self._in_slots(self.tree, asked)
        return [ended[number] for number in range(len(prompts))]

    def _in_slots(self, tree: TreeModel, asked: _Asked) -> None:
        """Sequences enter free slots, grow by a token at a time, and leave their slots when they end.

        Where memory runs out, half as many slots are tried. The sequences keep the tokens they have and enter anew.
        """
        running: list[_Sequence] = []
        cache: Slots | None = None
        try:
            while asked.waiting or running:
                failed: BaseException | None = None
                try:
                    if cache is None or (not running and self._has_outgrown(cache, asked.waiting)):
                        cache = self._new_slots(tree, asked, cache)
                    tokens = self._grow(tree, cache, running, asked)
                    self.watch(asked.share, tokens)
                except (RuntimeError, MemoryError) as error:
                    if not says_out_of_memory(error):
                        raise
                    failed = error.with_traceback(None)  # which would hold tensors
                if failed is not None:
                    self._halve(cache, running or asked.waiting, failed)
                    asked.waiting[:0] = running
                    running, cache = [], None
        finally:
            if cache is not None:
                cache.release()

    def _halve(self, cache: Slots | None, sequences: Sequence[_Sequence], failed: BaseException) -> None:
        """From now on half as many slots, and the memory of these given up. Raises DeviceError where one was too much."""
        size = cache.size if cache else self.slots
        if self.fixed:
            raise fixed_batch_too_large(f"{size} sequences", self.device) from failed
        if size == 1:
            raise DeviceError(
                f"sample {sequences[0].prompt.name}: memory of {self.device} runs out on this sample alone.",
                "Use a device with more memory, a smaller model, or lower max_new_tokens.",
            ) from failed
        self.slots = size // 2
        if cache is not None:
            cache.release()
        give_back_memory(self.device)

    def _grow(self, tree: TreeModel, cache: Slots, running: list[_Sequence], asked: _Asked) -> int:
        """One forward pass, one more token each: of sequences that enter now where enough slots are free, else of all.

        Returns the number of tokens computed.
        Sequences enter only once a sixteenth of the slots is free: a pass over prompts holds up all others.
        """
        free = cache.size - len(running)
        enter = free >= max(1, cache.size // 16) and not self._has_outgrown(cache, asked.waiting)
        if asked.waiting and (not running or enter):
            grown = self._entering(asked.waiting, free, cache.shared)
            states = cache.fill(tree, [one.tokens for one in grown], len(running))
            del asked.waiting[: len(grown)]
            running += grown
            computed = sum(len(one.tokens) - cache.shared for one in grown)
        else:
            grown = list(running)
            computed = len(grown)
            states = cache.step(tree, [one.tokens[-1] for one in running])
        for one, token in zip(grown, self._choose(tree, states, grown, asked.temperature), strict=True):
            one.new.append(token)
        has_grown = set(grown)
        for slot in reversed(range(len(running))):
            done = self._ended(running[slot], asked.stops) if running[slot] in has_grown else None
            if done is not None:
                asked.ended[running[slot].number] = done
                cache.free(slot, len(running) - 1)
                running[slot] = running[-1]
                running.pop()
        return computed

    def _new_slots(self, tree: TreeModel, asked: _Asked, before: Slots | None) -> Slots:
        """Slots for the sequences that wait, with what all prompts begin with, if that is worth a pass of its own.

        The slots before them are given up first.
        """
        if before is not None:
            before.release()
        waiting = asked.waiting
        if asked.prefix is None and len(waiting) > 1:
            shared = _begin_with([list(one.prompt.ids) for one in waiting])
            if len(shared) >= SHARED_AT_LEAST:
                asked.prefix = tree.prefix(shared)
        capacity = max(map(_room, waiting))
        most = min(self.slots, len(waiting))
        if not self.fixed:
            is_gpu = self.device.type == "cuda"
            held = int(free_memory_bytes(self.device) * GPU_CACHE) if is_gpu else CPU_CACHE
            most = max(1, min(most, held // (capacity * bytes_per_token(self.model))))
        return Slots(self.model, most, capacity, asked.prefix)

    def _has_outgrown(self, cache: Slots, waiting: Sequence[_Sequence]) -> bool:
        """Whether all that still waits fits slots of half the length, so that more of them can be had."""
        return bool(waiting) and cache.size < self.slots and max(map(_room, waiting)) * 2 <= cache.capacity

    def _entering(self, waiting: Sequence[_Sequence], free: int, shared: int) -> list[_Sequence]:
        """The next sequences to start, as many as have a slot and fit one forward pass without what they share."""
        longest, count = 0, 0
        budget = PREFILL_TOKENS.get(self.device.type, PREFILL_TOKENS["cpu"])
        for one in waiting[:free]:
            longest = max(longest, len(one.tokens) - shared)
            if count and longest * (count + 1) > budget:
                break
            count += 1
        return list(waiting[:count])

    def _choose(
        self, tree: TreeModel, states: torch.Tensor, sequences: Sequence[_Sequence], temperature: float
    ) -> list[int]:
        """The next token of each sequence, from its hidden states (n, C): the likeliest, or drawn by inverting the CDF."""
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
        """The completion, where the sequence's last token ended it; None where it goes on.

        Stop strings are looked for in the last few tokens first, since decoding the whole text at every step is slow.
        """
        if one.new[-1] in stops:
            return self._completion(one, one.new[:-1], "end")
        if self.special.get(one.new[-1]) in one.prompt.stop_strings:
            return self._completion(one, one.new[:-1], "stop")
        if one.prompt.stop_strings and self._may_stop(one.new[-1], one.prompt.stop_strings):
            # A token holds at least one byte, and a character at most four: enough tokens to hold any stop string.
            last = max(len(stop.encode()) for stop in one.prompt.stop_strings) + 4
            end = self.tokenizer.decode(one.new[-last:], skip_special_tokens=True)
            if any(stop in end for stop in one.prompt.stop_strings):
                whole = self.tokenizer.decode(one.new, skip_special_tokens=True)
                if any(stop in whole for stop in one.prompt.stop_strings):
                    return self._completion(one, one.new, "stop")
        if len(one.new) >= one.prompt.max_new_tokens:
            return self._completion(one, one.new, "length")
        return None

    def _may_stop(self, token: int, stop_strings: Sequence[str]) -> bool:
        """Whether one of them may end within the token: its text holds their last character, or does not tell alone.

        A blank does not tell, since some tokenizers leave it out at the start of a text; nor does a part of a character,
        nor any token where later ones change how it is decoded.
        """
        text = self.texts.get(token)
        if text is None:
            text = self.texts[token] = self.tokenizer.decode([token], skip_special_tokens=True)
        return self.cleans or "\ufffd" in text or any(stop[-1] == " " or stop[-1] in text for stop in stop_strings)

    def _completion(self, one: _Sequence, ids: list[int], finish_reason: FinishReason) -> Completion:
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        for stop in one.prompt.stop_strings:
            text = text.split(stop)[0]
        return Completion(list(ids), text, finish_reason)

    def _without_slots(self, asked: _Asked) -> None:
        """By the model's own `generate`, for models that take no mask. Prompts of equal length go together, unpadded."""
        asked.waiting.sort(key=lambda one: (-len(one.prompt.ids), -one.prompt.max_new_tokens))
        for _, group in groupby(asked.waiting, key=lambda one: (len(one.prompt.ids), one.prompt.max_new_tokens)):
            alike = list(group)
            size = 1 if asked.temperature else self.slots
            for start in range(0, len(alike), size):
                batch = alike[start : start + size]
                for one, row in zip(batch, self._generated(batch, asked), strict=True):
                    for token in row:
                        one.new.append(token)
                        done = self._ended(one, asked.stops)
                        if done is not None:
                            asked.ended[one.number] = done
                            break
                self.watch(asked.share, sum(len(one.tokens) for one in batch))

    def _generated(self, batch: Sequence[_Sequence], asked: _Asked) -> list[list[int]]:
        """New tokens of prompts of one length, as the model's own generate gives them."""
        ids = torch.tensor([one.prompt.ids for one in batch], device=self.device)
        sampling: Json = {"do_sample": False, "temperature": None, "top_k": None, "top_p": None}
        if asked.temperature and batch[0].random is not None:
            torch.manual_seed(batch[0].random.initial_seed())
            sampling = {"do_sample": True, "temperature": asked.temperature, "top_k": 0, "top_p": 1.0}
        found = self.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=batch[0].prompt.max_new_tokens,
            eos_token_id=sorted(asked.stops),
            pad_token_id=padding(self.tokenizer, self.model),
            logits_processor=[_Finite(batch)],
            **sampling,
        )
        new: list[list[int]] = found[:, ids.shape[1] :].tolist()
        return new


def _begin_with(prompts: Sequence[list[int]]) -> list[int]:
    """The tokens that all prompts begin with, without a prompt's last one: it predicts what comes next."""
    first, last = min(prompts), max(prompts)  # in lexical order: all others begin with what these two share
    same = [token for token, _ in takewhile(lambda both: both[0] == both[1], zip(first, last))]
    return same[: min(map(len, prompts)) - 1]


def _room(one: _Sequence) -> int:
    """Tokens that the sequence may come to hold."""
    return len(one.prompt.ids) + one.prompt.max_new_tokens


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
