"""The engine as a model of lm-evaluation-harness: every task of its runs on shared prefixes and refilled slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text

from harness.errors import SuiteError
from harness.models.answering.generation import Generator, Prompt
from harness.models.answering.likelihood import LikelihoodScorer
from harness.models.answering.trie import Request

GREEDY = {"until", "max_gen_toks", "do_sample", "temperature"}  # settings of greedy generation; others are HFLM's
PLAIN = {  # what a model's own generation_config must not have changed, for its greedy tokens to be the likeliest ones
    "repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "num_beams": 1, "min_length": 0, "min_new_tokens": None,
    "suppress_tokens": None, "begin_suppress_tokens": None, "forced_bos_token_id": None, "forced_eos_token_id": None,
    "bad_words_ids": None, "sequence_bias": None, "exponential_decay_length_penalty": None, "guidance_scale": None,
}  # fmt: skip


class HarnessLM(HFLM):
    """`hf` of lm-evaluation-harness with another way to compute, and the same results.

    All of HFLM's arguments hold (`pretrained`, `device`, `dtype`, `peft`, `add_bos_token`, ...). `batch_size` bounds
    the rows of a forward pass; "auto", the default, sizes batches to the device. Where HFLM would cut a prompt that
    exceeds the context, this raises SuiteError naming the request. Sampling, beams, penalties and thinking are left
    to HFLM. `how` says by which path requests are scored, and why where it is the plain one.
    """

    def __init__(self, pretrained: Any, batch_size: int | str = "auto", **settings: Any) -> None:
        super().__init__(pretrained=pretrained, batch_size=16 if batch_size == "auto" else batch_size, **settings)
        if self.backend != "causal":
            raise SuiteError(f"HarnessLM: {self.tokenizer_name} is a {self.backend} model.", "Use lm-eval's hf for it.")
        rows = None if batch_size == "auto" else int(batch_size)
        pad = self.tokenizer.pad_token_id or 0
        self.scorer = LikelihoodScorer(self.model, self.device, self.max_length, pad=pad, rows_at_once=rows)
        self.generator = Generator(self.model, self.scorer.tree, self.tokenizer, self.device, self.max_length)
        if rows is not None:
            self.generator.slots = min(self.generator.slots, rows)

    @property
    def how(self) -> str:
        """tree, or plain and why."""
        return self.scorer.how

    def _loglikelihood_tokens(
        self,
        requests: list[tuple[Any, list[int], list[int]]],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[tuple[float, bool]]:
        asked = [Request(_named(i, strings), context, target) for i, (strings, context, target) in enumerate(requests)]
        found = [(one.total, one.greedy) for one in self.scorer.score(asked)]
        for (strings, _, _), answer in zip(requests, found, strict=True):
            if strings is not None:  # a window of a document is none of the user's requests
                self.cache_hook.add_partial("loglikelihood", strings, answer)
        return found

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """Per document its log-likelihood in nats; HFLM's windows, all scored together."""
        own: int = self.batch_size_per_gpu  # type: ignore[has-type]
        self.batch_size_per_gpu = 2**31  # HFLM hands over its windows by the batch
        try:
            return list(super().loglikelihood_rolling(requests, disable_tqdm=True))
        finally:
            self.batch_size_per_gpu = own

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Per request its completion up to the first of its stop strings."""
        eos = self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        found: dict[int, str] = {}
        mine: list[tuple[int, Prompt]] = []
        others: list[int] = []
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
            found[number] = postprocess_generated_text(completion.text, list(prompt.stop_strings), None)
            self.cache_hook.add_partial("generate_until", requests[number].args, found[number])
        if others:
            texts = super().generate_until([requests[number] for number in others], disable_tqdm=True)
            found.update(zip(others, texts, strict=True))
        return [found[number] for number in range(len(requests))]

    def _is_plain(self) -> bool:
        """Whether the model's greedy tokens are its likeliest ones, whatever its generation_config prefers."""
        own = self.model.generation_config
        changed = [name for name, plain in PLAIN.items() if getattr(own, name, None) not in (None, plain)]
        return not changed and self.think_end_token is None

    def _ends(self) -> list[int]:
        own = self.model.generation_config.eos_token_id
        return own if isinstance(own, list) else [] if own is None else [own]


def _named(number: int, strings: Sequence[str] | None) -> str:
    """A request, as an error names it."""
    if strings is None:
        return f"window {number} of the documents"
    start = " ".join(str(strings[0]).split())
    return f"{number} ({start[:60]!r}{'...' if len(start) > 60 else ''})"
