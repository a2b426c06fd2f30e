"""One loaded model: completions and log-likelihoods for a suite's samples, with plain lists in and out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch

from harness.errors import SuiteError
from harness.models.answering.generation import Completion, Generator, Prompt
from harness.models.answering.likelihood import LikelihoodScorer
from harness.models.answering.measured import load_to_measure
from harness.models.answering.prompts import Prompts
from harness.models.loading.load import Quantized, load_tokenizer
from harness.models.loading.vocabulary import padding, stop_ids
from harness.models.prefixes.trie import Request
from harness.models.tools.memory import give_back_memory
from harness.models.tools.progress import Watch, unwatched
from harness.suite import Answer, Asked
from harness.worker.places import Place


class Engine:
    """A causal language model on one device, with its tokenizer."""

    def __init__(
        self,
        at: Place,
        device: str,
        dtype: str,
        quantization: Quantized = None,
        model: Any = None,
        prompts: Prompts | None = None,
    ) -> None:
        """Loads the model at that place, and its tokenizer, unless they are given as `model` and `prompts`."""
        self.at, self.device, self.dtype = at, device, dtype
        self.prompts = prompts or Prompts(load_tokenizer(at))
        self.tokenizer = self.prompts.tokenizer
        self.model = model or load_to_measure(at, device=device, dtype=dtype, quantization=quantization)
        self.context_length = int(getattr(self.model.config, "max_position_embeddings", 2**31))
        self.scorer = LikelihoodScorer(self.model, device, self.context_length, pad=padding(self.tokenizer, self.model))
        self.how = self.scorer.how  # how requests are scored: "tree", or "plain: " and why
        self.generator = Generator(self.model, self.scorer.tree, self.tokenizer, device, self.context_length)
        self.watched: Watch = unwatched
        self.tokens = 0  # asked for so far, in prompts and answers; shared prefixes count each time
        self.rendered = hashlib.sha256()  # over every prompt's token ids, in the order asked

    def size_batches(self, fixed: bool) -> None:
        """Batches of one size whatever memory is free, so that sums are rounded in the same order; or what fits best."""
        self.scorer.size_batches(fixed)
        self.generator.size_batches(fixed)

    def watch(self, watch: Watch) -> None:
        """From now on tell this how far each call is; see `harness.models.tools.progress`."""
        self.watched = self.scorer.watch = self.generator.watch = watch

    def prompt_ids(self, asked: Asked, system_prompt: str | None = None) -> list[int]:
        """Token ids of a prompt, or of turns, in the chat template, ready for the assistant's answer."""
        [ids] = self.prompts.ids([self.prompts.render(asked, system_prompt)])
        self._note(ids)
        return list(ids)

    def asked(self, asked: Asked, system_prompt: str | None = None) -> Answer:
        """What each answer holds of its question: the `rendered_prompt`, and its number of `prompt_tokens`."""
        text = self.prompts.render(asked, system_prompt)
        [ids] = self.prompts.ids([text])
        return {"rendered_prompt": text, "prompt_tokens": len(ids)}

    def release(self) -> None:
        """Free the memory of the weights; the tokenizer and the counts stay."""
        del self.model, self.scorer, self.generator
        give_back_memory(torch.device(self.device))

    @property
    def stop_ids(self) -> list[int]:
        """Tokens that end an answer: the model's and the tokenizer's own, and all ends of turns in the vocabulary."""
        return sorted(stop_ids(self.model, self.tokenizer))

    def generate(
        self,
        names: Sequence[str],
        prompts: Sequence[list[int]],
        max_new_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Answer]:
        """Per prompt its `completion`, its length in `completion_tokens`, and its `finish_reason`.

        That is "end", or "length" for a completion that reached max_new_tokens, which the model has not `ended`.
        Greedy at temperature 0. Raises SuiteError with the name of a prompt that leaves no room for max_new_tokens in
        the context.
        """
        return [
            {
                "completion": new.text.strip(),
                "completion_tokens": len(new.ids),
                "finish_reason": new.finish_reason,
                "ended": new.ended,
            }
            for new in self.complete(names, prompts, max_new_tokens, temperature, seed)
        ]

    def complete(
        self,
        names: Sequence[str],
        prompts: Sequence[list[int]],
        max_new_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Completion]:
        """Per prompt the new token ids up to the end of the answer, their text, and whether the model ended it."""
        asked = [Prompt(name, ids, max_new_tokens) for name, ids in zip(names, prompts, strict=True)]
        completions = self.generator.complete(asked, self.stop_ids, temperature, seed)
        self.tokens += sum(len(prompt.ids) for prompt in asked) + sum(len(new.ids) for new in completions)
        return completions

    def choice_loglikelihoods(
        self,
        names: Sequence[str],
        prompts: Sequence[Asked],
        choices: Sequence[Sequence[str]],
        system: str | None = None,
    ) -> list[Answer]:
        """Per sample its `loglikelihoods`, of each choice after the prompt in nats, summed over the choice's tokens.

        `chosen` is the number of the choice with the highest log-likelihood per character. Follows Brown et al. 2020
        (arXiv:2005.14165), section 2.4. Raises SuiteError for a choice that has no tokens, or exceeds the context.
        """
        for name, texts in zip(names, choices, strict=True):
            if "" in texts:
                raise SuiteError(
                    f"sample {name}: a choice is empty (of {list(texts)[:6]}).", "Give every choice a text."
                )
        flat = [(name, prompt) for name, prompt, texts in zip(names, prompts, choices, strict=True) for _ in texts]
        answers = [choice for texts in choices for choice in texts]
        sums = iter(self._answers([name for name, _ in flat], [prompt for _, prompt in flat], answers, system))
        scored = []
        for texts in choices:
            values = [next(sums)["total"] for _ in texts]
            normed = [value / len(choice) for value, choice in zip(values, texts, strict=True)]
            scored.append({"loglikelihoods": values, "chosen": max(range(len(texts)), key=normed.__getitem__)})
        return scored

    def answer_loglikelihoods(
        self, names: Sequence[str], prompts: Sequence[Asked], answers: Sequence[str], system: str | None = None
    ) -> list[Answer]:
        """Per sample the negative log-likelihood of its answer: `nll` in nats, and its `tokens`, `words`, `bytes`."""
        return [
            sized(answer, -scored["total"], scored["tokens"])
            for answer, scored in zip(answers, self._answers(names, prompts, answers, system), strict=True)
        ]

    def document_loglikelihoods(self, names: Sequence[str], texts: Sequence[str]) -> list[Answer]:
        """Per document its negative log-likelihood: `nll` in nats, and its `tokens`, `words`, `bytes`.

        Every token is scored once. A document that is longer than the context is cut into windows, as in
        lm-evaluation-harness: see `rolling_windows`.
        """
        requests, counts = [], []
        for name, ids in zip(names, self.prompts.plain_ids(texts), strict=True):
            self._note(ids)
            windows = rolling_windows(ids, self.first_token, self.context_length)
            requests += [Request(name, *window) for window in windows]
            counts.append((len(windows), len(ids)))
        scored = iter(self._score(requests))
        return [
            sized(text, -sum(next(scored) for _ in range(number)), tokens)
            for text, (number, tokens) in zip(texts, counts, strict=True)
        ]

    @property
    def first_token(self) -> int:
        """The token before a document's first: begin-of-text, or end-of-text if the tokenizer has none."""
        bos = self.tokenizer.bos_token_id
        return int(self.tokenizer.eos_token_id if bos is None else bos)

    def _answers(
        self, names: Sequence[str], prompts: Sequence[Asked], answers: Sequence[str], system: str | None
    ) -> list[Answer]:
        """Per answer its log-likelihood after its prompt (`total`, in nats) and its number of `tokens`."""
        rendered = [self.prompts.render(prompt, system) for prompt in prompts]
        contexts, targets = self.prompts.ids(rendered), self.prompts.answer_ids(rendered, answers)
        for name, answer, ids in zip(names, answers, targets, strict=True):
            if not ids:
                raise SuiteError(
                    f"sample {name}: {answer[:60]!r} has no tokens of its own after the prompt.",
                    "It is empty, or merges with the prompt's last token; let it begin with other characters.",
                )
        last = None
        for name, ids in zip(names, contexts, strict=True):
            if name != last:  # the choices of a sample follow each other; its prompt counts once
                self._note(ids)
            last = name
        requests = [Request(*parts) for parts in zip(names, contexts, targets, strict=True)]
        totals = self._score(requests)
        return [{"total": total, "tokens": len(ids)} for total, ids in zip(totals, targets, strict=True)]

    def _score(self, requests: Sequence[Request]) -> list[float]:
        self.tokens += sum(len(request.context) + len(request.target) for request in requests)
        return [likelihood.total for likelihood in self.scorer.score(requests)]

    def _note(self, ids: Sequence[int]) -> None:
        """Add a prompt to the digest of all that was asked."""
        self.rendered.update((",".join(map(str, ids)) + ";").encode())


def sized(text: str, nll: float, tokens: int) -> Answer:
    """A negative log-likelihood, and the text's length in all units that it can be divided by."""
    return {"nll": nll, "tokens": tokens, "words": len(text.split()), "bytes": len(text.encode())}


def rolling_windows(ids: Sequence[int], first: int, context_length: int) -> list[tuple[list[int], list[int]]]:
    """(context, target) windows of a document in which every token is a target once, as lm-evaluation-harness cuts it.

    The model computes all tokens of a window but the last, at most `context_length`. The last window is filled up with
    earlier tokens. For ids 1 2 3 4 5, the first token 0 and a context of 2:

        context  target
        0        1 2
        2        3 4
        3 4      5
    """
    windows = []
    stream = [first, *ids]
    for start in range(0, len(ids), context_length):
        end = min(start + context_length, len(ids))
        begin = max(0, end - context_length)
        windows.append((stream[begin : start + 1], stream[start + 1 : end + 1]))
    return windows
