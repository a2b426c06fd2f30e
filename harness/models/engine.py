"""One loaded model: completions and log-likelihoods, plain lists in and out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from harness.errors import SuiteError
from harness.models.loading import load_model, load_tokenizer

TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|endoftext|>")
FROZEN_DATE = "26 Jul 2024"  # Llama's own templates fill in today's date unless told one; others ignore it
TOKENS_PER_BATCH = 16_384  # prompt and completion tokens held at once while generating


class Engine:
    """A causal language model on one device, with its tokenizer."""

    def __init__(self, at: dict[str, Any], device: str, dtype: str, quantization: dict[str, Any] | None = None) -> None:
        self.at, self.device, self.dtype = at, device, dtype
        self.tokenizer = load_tokenizer(at)
        self.model = load_model(at, device=device, dtype=dtype, quantization=quantization)
        self.context_length = int(getattr(self.model.config, "max_position_embeddings", 2**31))
        self.tokens = 0  # scored and generated so far
        self.rendered = hashlib.sha256()  # over every prompt's token ids, in the order asked

    def prompt_ids(self, prompt: str, system_prompt: str | None) -> list[int]:
        """Token ids of the prompt as a user's turn in the chat template, ready for the assistant's answer.

        A tokenizer without a chat template gets the prompt as plain text.
        """
        if self.tokenizer.chat_template is None:
            text = f"{system_prompt}\n\n{prompt}\n" if system_prompt else f"{prompt}\n"
            ids = self.tokenizer(text)["input_ids"]
        else:
            messages = [{"role": "user", "content": prompt}]
            if system_prompt:
                messages.insert(0, {"role": "system", "content": system_prompt})
            ids = self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=True, date_string=FROZEN_DATE
            )["input_ids"]
        self._note(ids)
        return list(ids)

    def release(self) -> None:
        """Let go of the weights; the tokenizer and the counts stay."""
        self.model = None
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
    ) -> list[dict[str, Any]]:
        """Per prompt its `completion`, `completion_tokens` and whether the model ended it (`ended`).

        Greedy at temperature 0. Raises SuiteError naming a prompt that leaves no room in the context.
        """
        return [
            {
                "completion": self.tokenizer.decode(ids, skip_special_tokens=True).strip(),
                "completion_tokens": len(ids),
                "ended": ended,
            }
            for ids, ended in self.generate_ids(names, prompts, max_new_tokens, temperature, seed)
        ]

    @torch.inference_mode()
    def generate_ids(
        self,
        names: Sequence[str],
        prompts: Sequence[list[int]],
        max_new_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[tuple[list[int], bool]]:
        """Per prompt the new token ids up to the end of the answer, and whether the model ended it."""
        for name, ids in zip(names, prompts, strict=True):
            if len(ids) + max_new_tokens > self.context_length:
                raise SuiteError(
                    f"sample {name}: {len(ids)} prompt tokens and {max_new_tokens} new ones exceed the model's "
                    f"context of {self.context_length}.",
                    "Shorten the prompt or lower max_new_tokens; a prompt is never cut.",
                )
        torch.manual_seed(seed)
        stops, pad = self.stop_ids, self.tokenizer.pad_token_id
        answers: dict[int, tuple[list[int], bool]] = {}
        for batch in _by_length(prompts, max_new_tokens):
            width = max(len(prompts[i]) for i in batch)
            ids = torch.tensor([[pad] * (width - len(prompts[i])) + prompts[i] for i in batch])  # type: ignore[assignment]
            mask = torch.tensor([[0] * (width - len(prompts[i])) + [1] * len(prompts[i]) for i in batch])
            sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
            out = self.model.generate(
                input_ids=ids.to(self.device),  # type: ignore[attr-defined]
                attention_mask=mask.to(self.device),
                max_new_tokens=max_new_tokens,
                eos_token_id=stops,
                pad_token_id=pad,
                top_k=None if not temperature else 0,
                top_p=None if not temperature else 1.0,
                logits_processor=[_only_finite] if temperature else None,
                **({} if temperature else {"temperature": None}),
                **sampling,
            )[:, width:]
            for i, new in zip(batch, out.tolist(), strict=True):
                end = next((k for k, token in enumerate(new) if token in stops), None)
                kept = new[:end]
                self.tokens += len(prompts[i]) + len(kept)
                answers[i] = kept, end is not None
        return [answers[i] for i in range(len(prompts))]

    @torch.inference_mode()
    def choice_loglikelihoods(self, name: str, prompt: list[int], choices: Sequence[str]) -> dict[str, Any]:
        """Log-probability of each choice after the prompt, in nats, summed over its tokens: `loglikelihoods`.

        `chosen` is the choice with the highest log-probability per character. Follows Brown et al. 2020
        (arXiv:2005.14165), section 2.4. Raises SuiteError for a choice without tokens or beyond the context.
        """
        encoded = [self.tokenizer(choice, add_special_tokens=False)["input_ids"] for choice in choices]
        for choice, ids in zip(choices, encoded, strict=True):
            if not ids:
                raise SuiteError(f"sample {name}: the choice {choice!r} has no tokens.")
            if len(prompt) + len(ids) > self.context_length:
                raise SuiteError(
                    f"sample {name}: {len(prompt)} prompt tokens and {len(ids)} of a choice exceed the model's "
                    f"context of {self.context_length}.",
                    "Leave the sample out of the suite's data; nothing is ever cut.",
                )
        longest, pad = max(map(len, encoded)), self.tokenizer.pad_token_id
        ids = torch.tensor([[*prompt, *choice, *[pad] * (longest - len(choice))] for choice in encoded])
        mask = torch.tensor([[1] * (len(prompt) + len(choice)) + [0] * (longest - len(choice)) for choice in encoded])
        logits = self.model(
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device),
            use_cache=False,
            logits_to_keep=longest + 1,
        ).logits[:, :-1]
        each = logits.float().log_softmax(-1).gather(2, ids[:, -longest:, None].to(self.device))[..., 0]
        sums = [float(row[: len(choice)].sum()) for row, choice in zip(each, encoded, strict=True)]
        self.tokens += int(mask.sum())
        normed = [value / len(choice) for value, choice in zip(sums, choices, strict=True)]
        return {"loglikelihoods": sums, "chosen": max(range(len(sums)), key=normed.__getitem__)}

    def answer_loglikelihood(self, name: str, prompt: list[int], answer: str) -> dict[str, Any]:
        """Log-likelihood of the answer after the prompt: `nll` in nats, with `tokens`, `words`, `bytes`."""
        target = self.tokenizer(answer, add_special_tokens=False)["input_ids"]
        if len(prompt) + len(target) > self.context_length:
            raise SuiteError(
                f"sample {name}: {len(prompt)} prompt tokens and {len(target)} target tokens exceed the model's "
                f"context of {self.context_length}.",
                "Leave the sample out of the suite's data; a target is never cut.",
            )
        return self._sized(answer, self._nll([*prompt, *target], len(target)), len(target))

    def document_loglikelihood(self, text: str) -> dict[str, Any]:
        """Log-likelihood of a document in disjoint windows of the context length, the first after the
        begin-of-text token, as lm-evaluation-harness rolls: `nll` in nats, with `tokens`, `words`, `bytes`."""
        prefix = self.tokenizer.bos_token_id
        if prefix is None:
            prefix = self.tokenizer.eos_token_id
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        self._note(ids)
        stream = [prefix, *ids]
        nll = 0.0
        for start in range(0, len(ids), self.context_length):
            window = stream[start : start + self.context_length + 1]
            nll += self._nll(window, len(window) - 1)
        return self._sized(text, nll, len(ids))

    @torch.inference_mode()
    def _nll(self, ids: list[int], count: int) -> float:
        """Summed negative log-likelihood, in nats, of the last `count` of the token ids."""
        x = torch.tensor([ids[:-1]], device=self.device)
        logits = self.model(input_ids=x, use_cache=False, logits_to_keep=count).logits[0, -count:].float()
        self.tokens += len(ids)
        return float(
            torch.nn.functional.cross_entropy(logits, torch.tensor(ids[-count:], device=self.device), reduction="sum")
        )

    @staticmethod
    def _sized(text: str, nll: float, tokens: int) -> dict[str, Any]:
        return {"nll": nll, "tokens": tokens, "words": len(text.split()), "bytes": len(text.encode())}

    def _note(self, ids: Sequence[int]) -> None:
        self.rendered.update((",".join(map(str, ids)) + ";").encode())


def _only_finite(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """The scores; RuntimeError where one is nan or +inf, before sampling meets it: on CUDA that ends the process."""
    if bool(torch.isnan(scores).any() | torch.isposinf(scores).any()):
        raise RuntimeError("next-token scores hold nan or inf")
    return scores


def _by_length(prompts: Sequence[list[int]], new: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first, within the token budget."""
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    while order:
        size = max(1, TOKENS_PER_BATCH // (len(prompts[order[0]]) + new))
        yield order[:size]
        order = order[size:]
