"""Requests -> log-likelihoods: shared prefixes computed once, batches by tokens, halved when memory runs out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
import torch

from harness.errors import DeviceError, SuiteError
from harness.models.answering.tree import Prefix, TreeModel
from harness.models.loading.vocabulary import check_ids, embeddings
from harness.models.prefixes.masks import Unsupported, language_model
from harness.models.prefixes.trie import Request, Row, Trie
from harness.models.tools.memory import give_back_memory
from harness.models.tools.progress import Watch, unwatched
from harness.worker.failures import says_out_of_memory

TOKENS_AT_ONCE = {"cpu": 512, "cuda": 32_768}  # tokens of one forward pass
FIXED_TOKENS_AT_ONCE = 4096  # where batches are fixed
ROW_TOKENS = {"cpu": 64, "cuda": 256}  # tokens of one row: each attends to its whole row, masked
PLAIN_LOGITS = 2**28  # elements of the logits of one plain forward pass
PREFIX_WORTH = 4  # batches; where a subtree's requests fill more of them, their common prefix is computed once
MASK_AT_ONCE = 2**26  # elements of the mask of one forward pass, about; attention takes three bytes for each
WIDEST = 2**13  # tokens of a row that branches: its mask has the square of that


class Likelihood(NamedTuple):
    """Of a target after its context."""

    total: float  # log-probability in nats, summed over the target's tokens
    greedy: bool  # whether each token is the likeliest after those before it


@dataclass
class Work:
    """Tokens so far: of all requests one by one, the fewest that had to be computed, and those that were (padding too)."""

    asked: int = 0
    unique: int = 0
    computed: int = 0


class LikelihoodScorer:
    """Scores requests on one model; `how` says by which path, and why where it is the plain one.

    `rows_at_once` bounds the rows of a forward pass; None sizes it to the device.
    """

    def __init__(
        self, model: Any, device: Any, context_length: int, pad: int = 0, rows_at_once: int | None = None
    ) -> None:
        self.device, self.context_length, self.pad = torch.device(device), context_length, pad
        self.model, self.work = language_model(model), Work()
        self.watch: Watch = unwatched
        self.rows_at_once = rows_at_once or 2**31
        self.row_tokens = ROW_TOKENS.get(self.device.type, ROW_TOKENS["cpu"])
        self.tree: TreeModel | None
        try:
            self.tree = TreeModel(model, device)
            self.how = "tree"
        except Unsupported as reason:
            self.tree = None
            self.how = f"plain: {reason}"
        self.size_batches(fixed=False)

    def size_batches(self, fixed: bool) -> None:
        """Batches of one size, an error where memory runs out; or those of the device, halved where it does."""
        self.fixed = fixed
        of_device = TOKENS_AT_ONCE.get(self.device.type, TOKENS_AT_ONCE["cpu"])
        self.tokens_at_once = FIXED_TOKENS_AT_ONCE if fixed else of_device
        if self.tree is None:  # it computes all logits
            vocabulary = int(self.model.config.get_text_config().vocab_size)
            self.tokens_at_once = min(self.tokens_at_once, PLAIN_LOGITS // vocabulary)

    @torch.inference_mode()
    def score(self, requests: Sequence[Request]) -> list[Likelihood]:
        """Per request the log-likelihood of its target. Raises SuiteError naming one that cannot be scored."""
        known = embeddings(self.model)
        for request in requests:
            self._check(request, known)
        if not requests:
            return []
        found = _Found(requests)
        trie = Trie(requests)
        self.work.asked += sum(map(len, trie.paths))
        self.work.unique += trie.unique_tokens
        if self.tree is None:
            self._score_plain(requests, found)
        else:
            with self.tree.linears:
                self._score_tree(self.tree, trie, requests, found)
        return found.likelihoods()

    def _check(self, request: Request, known: int) -> None:
        for what, ids in (("context", request.context), ("target", request.target)):
            if not len(ids):
                raise SuiteError(f"sample {request.name}: its {what} has no tokens.", "Nothing can be scored there.")
            check_ids(ids, known, f"sample {request.name}")
        size = len(request.context) + len(request.target)
        if size > self.context_length + 1:  # nothing is computed on the last token
            raise SuiteError(
                f"sample {request.name}: {len(request.context)} prompt tokens and {len(request.target)} target tokens "
                f"exceed the model's context of {self.context_length}.",
                "Leave the sample out of the suite's data; nothing is ever cut.",
            )

    def _score_tree(self, tree: TreeModel, trie: Trie, requests: Sequence[Request], found: _Found) -> None:
        under: dict[tuple[bool, tuple[int, ...]], list[Row]] = {}  # by whether a mask is needed, and the prefix
        for row in trie.rows(self.row_tokens, PREFIX_WORTH * self.tokens_at_once, WIDEST):
            is_long = row.is_sequence and len(row.tokens) > len(row.prefix) and _mask_size(row) > MASK_AT_ONCE
            row = row.from_the_start() if is_long else row  # which needs no mask
            under.setdefault((_mask_size(row) > 0, tuple(row.prefix)), []).append(row)
        kept: list[tuple[tuple[int, ...], Prefix]] = []  # prefixes in use; each continues the one before
        for (_, tokens), rows in under.items():
            while kept and tokens[: len(kept[-1][0])] != kept[-1][0]:
                kept.pop()
            if tokens and (not kept or kept[-1][0] != tokens):
                earlier = kept[-1][1] if kept else None
                self.work.computed += len(tokens) - (earlier.length if earlier else 0)
                kept.append((tokens, tree.prefix(tokens, earlier)))
            prefix = kept[-1][1] if tokens else None

            def compute(batch: Sequence[Row], prefix: Prefix | None = prefix) -> None:
                self._score_rows(tree, batch, prefix, requests, found)

            def halves(row: Row) -> list[Row] | None:
                some = list(row.scored)
                if len(some) == 1:
                    return None
                parts = [some[: len(some) // 2], some[len(some) // 2 :]]
                return [_alone(row, part) for part in parts]

            rows.sort(key=lambda row: -len(row.tokens))
            self._in_batches(
                rows,
                _Items(
                    size=lambda row: len(row.tokens),
                    at_most=lambda row: MASK_AT_ONCE // max(1, _mask_size(row)),
                    compute=compute,
                    halves=halves,
                    request=lambda row: requests[min(row.scored)],
                ),
            )

    def _score_rows(
        self, tree: TreeModel, rows: Sequence[Row], prefix: Prefix | None, requests: Sequence[Request], found: _Found
    ) -> None:
        """Run one batch of rows, and add the log-probability of every target token to its request's sum."""
        length = max(len(row.tokens) for row in rows)
        self.work.computed += len(rows) * length
        wanted = [  # a triple per target token: the place that predicts it, the token, the request
            (number * length + place, token, request)
            for number, row in enumerate(rows)
            for request, own in row.scored.items()
            for place, token in zip(own, requests[request].target, strict=True)
        ]
        places, tokens, whose = (numpy.array(column) for column in zip(*wanted, strict=True))
        # Several target tokens may follow one place (the four choices of a question): the head runs there once.
        once, inverse = numpy.unique(places, return_inverse=True)
        by_place = numpy.argsort(inverse, kind="stable")
        bounds = numpy.searchsorted(inverse[by_place], numpy.arange(len(once) + 1))
        states = tree.states(rows, torch.from_numpy(once).to(self.device), prefix)
        parts = []
        for start, logits in tree.logits(states):
            mine = by_place[bounds[start] : bounds[start + len(logits)]]
            at = torch.from_numpy(inverse[mine] - start).to(self.device)
            parts.append((whose[mine], *picked(logits, at, torch.from_numpy(tokens[mine]).to(self.device))))
        found.add(parts)
        self.watch(found.share, len(rows) * length)

    def _score_plain(self, requests: Sequence[Request], found: _Found) -> None:
        """The path for models that take no mask of trees: batches padded on the right, all logits computed."""
        takes_mask = "attention_mask" in inspect.signature(self.model.forward).parameters
        order = sorted(range(len(requests)), key=lambda i: -len(requests[i].context) - len(requests[i].target))

        def compute(batch: Sequence[int]) -> None:
            paths = [[*requests[i].context, *requests[i].target[:-1]] for i in batch]
            width = max(map(len, paths))
            ids = torch.tensor([[*path, *[self.pad] * (width - len(path))] for path in paths], device=self.device)
            lengths = torch.tensor([len(path) for path in paths], device=self.device)
            mask = (torch.arange(width, device=self.device) < lengths[:, None]).long()
            given = {"attention_mask": mask} if takes_mask else {}
            logits = self.model(input_ids=ids, **given, use_cache=False).logits
            self.work.computed += ids.numel()
            parts = []
            for i, own, path in zip(batch, logits, paths, strict=True):
                target = torch.tensor(requests[i].target, device=self.device)
                last = own[len(path) - len(target) : len(path)].float().clone()
                at = torch.arange(len(target), device=self.device)
                parts.append((numpy.full(len(target), i), *picked(last, at, target)))
            found.add(parts)
            self.watch(found.share, ids.numel())

        self._in_batches(
            order,
            _Items(
                size=lambda i: len(requests[i].context) + len(requests[i].target),
                at_most=lambda _: len(requests),
                compute=compute,
                halves=lambda _: None,
                request=lambda i: requests[i],
            ),
        )

    def _in_batches(self, items: list[Any], how: _Items) -> None:
        """Compute the items in batches within the token budget; a batch that runs out of memory is tried in halves.

        Items come longest first, so the first one of a batch says how many fit.
        """
        waiting = list(items)
        while waiting:
            first = waiting[0]
            fits = max(1, min(self.tokens_at_once // how.size(first), how.at_most(first), self.rows_at_once))
            batch, waiting = waiting[:fits], waiting[fits:]
            failed: BaseException | None = None
            try:
                how.compute(batch)
            except (RuntimeError, MemoryError) as error:
                if not says_out_of_memory(error):
                    raise
                failed = error.with_traceback(None)  # which would hold tensors
            if failed is not None and self.fixed:
                raise fixed_batch_too_large(f"{sum(map(how.size, batch)):,} tokens", self.device) from failed
            if failed is not None:
                give_back_memory(self.device)
                smaller = how.halves(batch[0]) if len(batch) == 1 else batch
                if smaller is None:
                    raise DeviceError(
                        f"sample {how.request(batch[0]).name}: memory of {self.device} runs out on this sample alone "
                        f"({how.size(batch[0])} tokens).",
                        "Use a device with more memory, a smaller model or a shorter sample.",
                    ) from failed
                self.tokens_at_once = max(1, sum(map(how.size, batch)) // 2)
                waiting = [*smaller, *waiting]


class _Items(NamedTuple):
    """How rows, or plain requests, are computed in batches."""

    size: Callable[[Any], int]  # tokens of an item
    at_most: Callable[[Any], int]  # items of a batch of which it is the longest
    compute: Callable[[Sequence[Any]], None]
    halves: Callable[[Any], list[Any] | None]  # of a single item; None where it cannot be split
    request: Callable[[Any], Request]  # whose name stands for the item in an error


class _Found:
    """Sums per request. Only whole batches are added: one that runs out of memory half-way leaves no trace."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.requests = requests
        self.missing = numpy.array([len(request.target) for request in requests])
        self.wanted = int(self.missing.sum())
        self.totals = numpy.zeros(len(requests))
        self.greedy = numpy.ones(len(requests), dtype=bool)

    def add(self, parts: Sequence[tuple[Any, torch.Tensor, torch.Tensor]]) -> None:
        """Add a batch in parts, each (S,): per target token its request, log-probability, and whether it is likeliest."""
        whose = numpy.concatenate([part[0] for part in parts])
        values = torch.cat([part[1] for part in parts]).double().cpu().numpy()
        best = torch.cat([part[2] for part in parts]).cpu().numpy()
        if numpy.isnan(values).any():
            name = self.requests[int(whose[numpy.isnan(values).argmax()])].name
            raise SuiteError(
                f"sample {name}: the model's logits are not a number.",
                "Its weights or activations have overflowed; the stability suite says in which dtypes.",
            )
        numpy.add.at(self.totals, whose, values)
        numpy.subtract.at(self.missing, whose, 1)
        self.greedy[whose[~best]] = False

    @property
    def share(self) -> float:
        """How much of the target tokens is scored, 0 to 1."""
        return 1 - float(self.missing.sum()) / self.wanted

    def likelihoods(self) -> list[Likelihood]:
        assert not self.missing.any()
        return [Likelihood(float(total), bool(greedy)) for total, greedy in zip(self.totals, self.greedy, strict=True)]


def picked(logits: torch.Tensor, at: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each token (n,) after row `at` (n,) of the logits (S, V), and whether it is the likeliest there.

    log p = logit - log(sum(exp(logits))), with the highest logit subtracted before exp. Overwrites `logits`.
    """
    highest, best = logits.max(-1)
    own = logits[at, tokens]
    spread = logits.sub_(highest[:, None]).exp_().sum(-1).log_().add_(highest)
    return own - spread[at], best[at] == tokens


def fixed_batch_too_large(what: str, device: torch.device) -> DeviceError:
    """The error where memory runs out and batches are not to be changed."""
    return DeviceError(
        f"memory of {device} runs out on a batch of {what}, and --exact leaves batches as they are.",
        "Use a device with more memory, or leave out --exact.",
    )


def _mask_size(row: Row) -> int:
    """Elements of the row's mask: its tokens by all that they may see; 0 for a sequence, which needs none."""
    if row.is_sequence and not row.prefix:
        return 0
    return len(row.tokens) * (len(row.prefix) + len(row.tokens))


def _alone(row: Row, requests: Sequence[int]) -> Row:
    """The part of a row that some of its requests need: their scored tokens and the ancestors of these."""
    needed: set[int] = set()
    for request in requests:
        for place in row.scored[request]:
            needed.update(j for j in range(place + 1) if row.ends[j] > place)  # its ancestors and itself
    order = sorted(needed)
    new = {old: i for i, old in enumerate(order)}
    ends = [sum(1 for j in order if j < row.ends[old]) for old in order]
    return Row(
        row.prefix,
        [row.tokens[old] for old in order],
        [row.depths[old] for old in order],
        ends,
        {request: [new[place] for place in row.scored[request]] for request in requests},
    )
