"""The engine as a model of lm-evaluation-harness, whose tasks then run on shared prefixes and refilled slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import (
    handle_stop_sequences,
    has_bos_prefix,
    normalize_gen_kwargs,
    postprocess_generated_text,
)

from harness.errors import SuiteError
from harness.models.answering.generation import Completion, Generator, Prompt
from harness.models.answering.likelihood import LikelihoodScorer
from harness.models.loading.template import applied
from harness.models.loading.vocabulary import padding
from harness.models.prefixes.trie import Request

TEXTS_AT_ONCE = 2**12  # tokenized in one call, which takes a hundred bytes a token meanwhile
GREEDY = {"until", "max_gen_toks", "do_sample", "temperature"}  # other settings are left to HFLM
PLAIN = {  # defaults of generation_config; if a model changes one, its greedy tokens are not the likeliest ones
    "repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "num_beams": 1, "min_length": 0, "min_new_tokens": None,
    "suppress_tokens": None, "begin_suppress_tokens": None, "forced_bos_token_id": None, "forced_eos_token_id": None,
    "bad_words_ids": None, "sequence_bias": None, "exponential_decay_length_penalty": None, "guidance_scale": None,
}  # fmt: skip


class HarnessLM(HFLM):
    """lm-evaluation-harness's `hf` model, computed in another way and with the same results.

    It takes all arguments of HFLM (`pretrained`, `device`, `dtype`, `peft`, `add_bos_token`, ...). `batch_size` limits
    the rows of a forward pass; "auto", the default, fits batches to the device. Where HFLM would cut a prompt that
    exceeds the context, this raises a SuiteError that names the request. Requests with sampling, beams, penalties or
    thinking are passed on to HFLM.
    """

    def __init__(self, pretrained: Any, batch_size: int | str = "auto", **settings: Any) -> None:
        super().__init__(pretrained=pretrained, batch_size=16 if batch_size == "auto" else batch_size, **settings)
        if self.backend != "causal":
            raise SuiteError(f"HarnessLM: {self.tokenizer_name} is a {self.backend} model.", "Use lm-eval's hf for it.")
        rows = None if batch_size == "auto" else int(batch_size)
        pad = padding(self.tokenizer, self.model)
        self.scorer = LikelihoodScorer(self.model, self.device, self.max_length, pad=pad, rows_at_once=rows)
        self.generator = Generator(self.model, self.scorer.tree, self.tokenizer, self.device, self.max_length)
        self.completions: dict[str, Completion] = {}  # by the context that they follow
        self.tokenized: dict[str, list[int]] = {}  # texts of the requests that are being scored
        if rows is not None:
            self.generator.slots = min(self.generator.slots, rows)

    @property
    def how(self) -> str:
        """How requests are scored: "tree", or "plain: " and why."""
        return self.scorer.how

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Per request the log-likelihood of its continuation in nats, and whether that is the greedy one.

        Each distinct text is tokenized once, many in one call: one by one takes longer than a GPU needs to score.
        """
        texts = {text for request in requests for text in _texts(*request.args)}
        self.tokenized = self._ids(sorted(texts))
        try:
            return list(super().loglikelihood(requests, disable_tqdm))
        finally:
            self.tokenized = {}

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **settings: Any) -> list[int]:
        """The text's token ids."""
        if add_special_tokens is None and not settings and string in self.tokenized:
            return self.tokenized[string]
        return list(super().tok_encode(string, add_special_tokens, **settings))

    def _ids(self, texts: list[str]) -> dict[str, list[int]]:
        """The texts' token ids as `tok_encode` gives them, but for those that begin with the token of a beginning."""
        first = self.tokenizer.decode(self.prefix_token_id)
        texts = [text for text in texts if not has_bos_prefix(text, first)]
        special = {} if self.add_bos_token is None else {"add_special_tokens": self.add_bos_token}
        found: dict[str, list[int]] = {}
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            some = texts[start : start + TEXTS_AT_ONCE]
            ids = self.tokenizer(some, return_attention_mask=False, **special)["input_ids"]
            found.update(zip(some, ids, strict=True))
        return found

    def _loglikelihood_tokens(
        self,
        requests: list[tuple[Any, list[int], list[int]]],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[tuple[float, bool]]:
        asked = [Request(_named(i, strings), context, target) for i, (strings, context, target) in enumerate(requests)]
        answers = [(likelihood.total, likelihood.greedy) for likelihood in self.scorer.score(asked)]
        for (strings, _, _), answer in zip(requests, answers, strict=True):
            if strings is not None:  # None for a window of a document, which is not a request of its own
                self.cache_hook.add_partial("loglikelihood", strings, answer)
        return answers

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """Per document its log-likelihood in nats, over the windows that HFLM cuts; all windows are scored together."""
        batch_size: int = self.batch_size_per_gpu  # type: ignore[has-type]
        self.batch_size_per_gpu = 2**31  # HFLM hands its windows over batch by batch: make it one batch
        try:
            return list(super().loglikelihood_rolling(requests, disable_tqdm=True))
        finally:
            self.batch_size_per_gpu = batch_size

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Per request its completion up to the first of its stop strings."""
        eos = self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        texts: dict[int, str] = {}  # request -> its completion
        mine: list[tuple[int, Prompt]] = []  # requests that are completed here, with their prompts
        others: list[int] = []  # requests for HFLM
        for number, request in enumerate(requests):
            context, given = request.args
            settings = normalize_gen_kwargs(given, self.max_gen_toks)
            if settings.get("do_sample") or set(settings) - GREEDY or not self._is_plain():
                others.append(number)
                continue
            stops = tuple(stop for stop in handle_stop_sequences(settings.get("until"), eos=eos) if stop)
            ids = self.tok_encode(context)
            mine.append((number, Prompt(_named(number, (context,)), ids, int(settings["max_gen_toks"]), stops)))
        completions = self.generator.complete([prompt for _, prompt in mine], self._ends())
        for (number, prompt), completion in zip(mine, completions, strict=True):
            self.completions[requests[number].args[0]] = completion
            texts[number] = postprocess_generated_text(completion.text, list(prompt.stop_strings), None)
            self.cache_hook.add_partial("generate_until", requests[number].args, texts[number])
        if others:
            more = super().generate_until([requests[number] for number in others], disable_tqdm=True)
            texts.update(zip(others, more, strict=True))
        return [texts[number] for number in range(len(requests))]

    def _is_plain(self) -> bool:
        """Whether the model's greedy tokens are its likeliest ones: its generation_config changes nothing in PLAIN."""
        config = self.model.generation_config
        changed = [name for name, plain in PLAIN.items() if getattr(config, name, None) not in (None, plain)]
        return not changed and self.think_end_token is None

    def _ends(self) -> list[int]:
        eos = self.model.generation_config.eos_token_id
        return eos if isinstance(eos, list) else [] if eos is None else [eos]


class CheckpointLM(HarnessLM):
    """A loaded checkpoint, asked in its chat template as suites ask: on the frozen day, and no turn is left out."""

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The turns as text, ready for the assistant's next turn or in the middle of its last.

        Raises DataError if the template refuses the turns, where HFLM would leave out the system's.
        """
        return str(
            applied(
                chat_history,
                self.tokenizer,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )
        )


def _texts(context: str, continuation: str) -> tuple[str, ...]:
    """What lm-eval tokenizes of a request: context and continuation, and the context without the blanks at its end."""
    return (context + continuation, context.rstrip()) if context else ()


def _named(number: int, strings: Sequence[str] | None) -> str:
    """What an error calls the request: its number and the start of its text."""
    if strings is None:
        return f"window {number} of the documents"
    start = " ".join(str(strings[0]).split())
    return f"{number} ({start[:60]!r}{'...' if len(start) > 60 else ''})"
