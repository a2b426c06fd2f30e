"""One loaded model: completions and log-likelihoods of a suite's samples, plain lists in and out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch

from harness.errors import SuiteError
from harness.models.answering.generation import Completion, Generator, Prompt
from harness.models.answering.likelihood import LikelihoodScorer
from harness.models.answering.prompts import Prompts
from harness.models.answering.trie import Request
from harness.models.loading.load import Quantized, load_model, load_tokenizer
from harness.suite import Answer
from harness.worker.places import Place

TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|endoftext|>")


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
        """`model` and `prompts` are what is loaded already of the model at that place."""
        self.at, self.device, self.dtype = at, device, dtype
        self.prompts = prompts or Prompts(load_tokenizer(at))
        self.tokenizer = self.prompts.tokenizer
        self.model = model or load_model(at, device=device, dtype=dtype, quantization=quantization)
        self.context_length = int(getattr(self.model.config, "max_position_embeddings", 2**31))
        self.scorer = LikelihoodScorer(self.model, device, self.context_length, pad=self.tokenizer.pad_token_id)
        self.how = self.scorer.how  # by which path requests are scored, and why where it is the plain one
        self.generator = Generator(self.model, self.scorer.tree, self.tokenizer, device, self.context_length)
        self.tokens = 0  # scored and generated so far, each sample on its own
        self.rendered = hashlib.sha256()  # over every prompt's token ids, in the order asked

    def prompt_ids(self, prompt: str, system_prompt: str | None = None) -> list[int]:
        """Token ids of the prompt, as rendered for the assistant's answer."""
        [ids] = self.prompts.ids([self.prompts.render(prompt, system_prompt)])
        self._note(ids)
        return list(ids)

    def release(self) -> None:
        """Let go of the weights; the tokenizer and the counts stay."""
        del self.model, self.scorer, self.generator
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()

    @property
    def stop_ids(self) -> list[int]:
        """Tokens that end an answer: the model's own, and the ends of turns its vocabulary knows."""
        own = self.model.generation_config.eos_token_id
        found = set(own if isinstance(own, list) else [] if own is None else [own])
        vocabulary = self.tokenizer.get_vocab()
        found |= {vocabulary[token] for token in TURN_ENDS if token in vocabulary}
        if self.tokenizer.eos_token_id is not None:
            found.add(self.tokenizer.eos_token_id)
        return sorted(found)

    def generate(
        self,
        names: Sequence[str],
        prompts: Sequence[list[int]],
        max_new_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Answer]:
        """Per prompt its `completion`, `completion_tokens` and whether the model ended it (`ended`).

        Greedy at temperature 0. Raises SuiteError naming a prompt that leaves no room in the context.
        """
        return [
            {"completion": found.text.strip(), "completion_tokens": len(found.ids), "ended": found.ended}
            for found in self.complete(names, prompts, max_new_tokens, temperature, seed)
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
        found = self.generator.complete(asked, self.stop_ids, temperature, seed)
        self.tokens += sum(len(one.ids) for one in asked) + sum(len(one.ids) for one in found)
        return found

    def choice_loglikelihoods(
        self, names: Sequence[str], prompts: Sequence[str], choices: Sequence[Sequence[str]], system: str | None = None
    ) -> list[Answer]:
        """Per sample the log-probability of each choice after its prompt, in nats, summed over tokens: `loglikelihoods`.

        `chosen` is the choice with the highest log-probability per character. Follows Brown et al. 2020
        (arXiv:2005.14165), section 2.4. Raises SuiteError for a choice without tokens or beyond the context.
        """
        for name, own in zip(names, choices, strict=True):
            if "" in own:
                raise SuiteError(f"sample {name}: a choice is empty (of {list(own)[:6]}).", "Give every choice a text.")
        flat = [(name, prompt) for name, prompt, own in zip(names, prompts, choices, strict=True) for _ in own]
        sums = iter(
            self._answers([name for name, _ in flat], [p for _, p in flat], [c for own in choices for c in own], system)
        )
        found = []
        for own in choices:
            values = [next(sums)["total"] for _ in own]
            normed = [value / len(choice) for value, choice in zip(values, own, strict=True)]
            found.append({"loglikelihoods": values, "chosen": max(range(len(own)), key=normed.__getitem__)})
        return found

    def answer_loglikelihoods(
        self, names: Sequence[str], prompts: Sequence[str], answers: Sequence[str], system: str | None = None
    ) -> list[Answer]:
        """Per sample the log-likelihood of its answer after its prompt: `nll` in nats, `tokens`, `words`, `bytes`."""
        return [
            sized(answer, -found["total"], found["tokens"])
            for answer, found in zip(answers, self._answers(names, prompts, answers, system), strict=True)
        ]

    def document_loglikelihoods(self, names: Sequence[str], texts: Sequence[str]) -> list[Answer]:
        """Per document its log-likelihood: `nll` in nats, with `tokens`, `words`, `bytes`.

        Every token is scored once, in windows of the context length, the first after the begin-of-text token and the
        last with as much before it as fits, as lm-evaluation-harness rolls.
        """
        requests, counts = [], []
        for name, ids in zip(names, self.prompts.plain_ids(texts), strict=True):
            self._note(ids)
            own = [Request(name, *window) for window in rolling_windows(ids, self.first_token, self.context_length)]
            requests += own
            counts.append((len(own), len(ids)))
        scored = iter(self._score(requests))
        return [
            sized(text, -sum(next(scored) for _ in range(windows)), tokens)
            for text, (windows, tokens) in zip(texts, counts, strict=True)
        ]

    @property
    def first_token(self) -> int:
        """The token that a document begins after: begin-of-text, or end-of-text where there is none."""
        bos = self.tokenizer.bos_token_id
        return int(self.tokenizer.eos_token_id if bos is None else bos)

    def _answers(
        self, names: Sequence[str], prompts: Sequence[str], answers: Sequence[str], system: str | None
    ) -> list[Answer]:
        """Per answer its log-likelihood (`total`, in nats) after its prompt, and its `tokens`."""
        rendered = [self.prompts.render(prompt, system) for prompt in prompts]
        contexts, targets = self.prompts.ids(rendered), self.prompts.answer_ids(rendered, answers)
        for name, answer, ids in zip(names, answers, targets, strict=True):
            if not ids:
                raise SuiteError(
                    f"sample {name}: {answer[:60]!r} has no tokens of its own after the prompt.",
                    "It is empty, or melts into the prompt's last token; let it begin with other characters.",
                )
        last = None
        for name, ids in zip(names, contexts, strict=True):
            if name != last:  # the choices of one sample stand together
                self._note(ids)
            last = name
        requests = [Request(*parts) for parts in zip(names, contexts, targets, strict=True)]
        totals = self._score(requests)
        return [{"total": total, "tokens": len(ids)} for total, ids in zip(totals, targets, strict=True)]

    def _score(self, requests: Sequence[Request]) -> list[float]:
        self.tokens += sum(len(one.context) + len(one.target) for one in requests)
        return [found.total for found in self.scorer.score(requests)]

    def _note(self, ids: Sequence[int]) -> None:
        self.rendered.update((",".join(map(str, ids)) + ";").encode())


def sized(text: str, nll: float, tokens: int) -> Answer:
    """A negative log-likelihood with what it can be divided by."""
    return {"nll": nll, "tokens": tokens, "words": len(text.split()), "bytes": len(text.encode())}


def rolling_windows(ids: Sequence[int], first: int, context_length: int) -> list[tuple[list[int], list[int]]]:
    """(context, target) windows in which every token is a target once, as lm-evaluation-harness cuts a document.

    Of a window's tokens the model computes all but the last, at most `context_length`.
    """
    windows = []
    stream = [first, *ids]
    for start in range(0, len(ids), context_length):
        end = min(start + context_length, len(ids))
        begin = max(0, end - context_length)
        windows.append((stream[begin : start + 1], stream[start + 1 : end + 1]))
    return windows
