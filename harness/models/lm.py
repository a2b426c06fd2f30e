"""The engine as a model of lm-evaluation-harness: every task of its runs on shared prefixes and refilled slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text

from harness.errors import SuiteError
from harness.models.generation import Generator, Prompt
from harness.models.likelihood import LikelihoodScorer
from harness.models.trie import Request

OWN_SETTINGS = {"until", "max_gen_toks", "max_length", "do_sample", "temperature"}  # of generation; others are HFLM's


class HarnessLM(HFLM):
    """`hf` of lm-evaluation-harness with another way to compute, and the same results.

    All of HFLM's arguments hold (`pretrained`, `device`, `dtype`, `peft`, `add_bos_token`, ...). `batch_size` bounds
    the rows of a forward pass; "auto", the default, sizes batches to the device. Where HFLM would cut a prompt or a
    document that exceeds the context, this raises SuiteError naming the request. `how` says by which path requests
    are scored, and why where it is the plain one.
    """

    def __init__(self, pretrained: Any, batch_size: int | str = "auto", **settings: Any) -> None:
        super().__init__(pretrained=pretrained, batch_size=1 if batch_size == "auto" else batch_size, **settings)
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
        ways: dict[float, list[tuple[int, Prompt, tuple[str, ...]]]] = {}  # by temperature
        for number, request in enumerate(requests):
            context, given = request.args
            settings = normalize_gen_kwargs(given, self.max_gen_toks)
            stops = tuple(stop for stop in handle_stop_sequences(settings.get("until"), eos=eos) if stop)
            if set(settings) - OWN_SETTINGS or self.think_end_token is not None:
                [found[number]] = super().generate_until([request], disable_tqdm=True)
                continue
            temperature = float(settings.get("temperature") or 0.0) if settings.get("do_sample") else 0.0
            prompt = Prompt(_named(number, (context,)), self.tok_encode(context), int(settings["max_gen_toks"]), stops)
            ways.setdefault(temperature, []).append((number, prompt, stops))
        for temperature, some in ways.items():
            completions = self.generator.complete([prompt for _, prompt, _ in some], self._ends(), temperature)
            for (number, _, stops), completion in zip(some, completions, strict=True):
                text = postprocess_generated_text(generation=completion.text, stop=list(stops), think_end_token=None)
                found[number] = text
                self.cache_hook.add_partial("generate_until", requests[number].args, text)
        return [found[number] for number in range(len(requests))]

    def _ends(self) -> list[int]:
        own = self.model.generation_config.eos_token_id
        return own if isinstance(own, list) else [] if own is None else [own]


def _named(number: int, strings: Sequence[str] | None) -> str:
    """A request, as an error names it."""
    if strings is None:
        return f"window {number} of the documents"
    start = " ".join(str(strings[0]).split())
    return f"{number} ({start[:60]!r}{'...' if len(start) > 60 else ''})"
