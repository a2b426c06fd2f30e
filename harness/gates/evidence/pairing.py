"""Two evaluations of one suite: their samples in pairs, and whether they may be compared at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import SuiteError
from harness.evaluation import Evaluation, ScoredSample
from harness.files import Json, differences
from harness.fingerprint.nearest import shown

Pairs = tuple[list[ScoredSample], list[ScoredSample]]  # of one length, in one order
QUESTIONS = {"to_sample": "how rows become samples", "data": "the rows"}
IN_DTYPE = " in "  # between the names of a GPU and of a dtype
RENDERED = (("tokenizer", "tokenizer"), ("chat_template", "chat template"), ("prompt_digest", "prompt"))


@dataclass(frozen=True)
class Conditions:
    """Under what a suite was answered: in which tokens, by SHA-256, and by what; None for what was not recorded."""

    tokenizer: str | None = None
    chat_template: str | None = None
    prompt_digest: str | None = None  # of all prompts' token ids; None where --adaptive drew the samples
    computed_on: str | None = None  # the GPU's name, or "a CPU"
    looks_up: bool = False  # whether passages stood before its questions

    @classmethod
    def of(cls, evaluation: Evaluation) -> Conditions:
        """What an evaluation's record says of them."""
        record = evaluation.record
        digest = None if evaluation.adaptive else record.get("prompt_digest")
        looks_up = record.get("passages") is not None
        return cls(record.get("tokenizer"), record.get("chat_template"), digest, computed_on(record), looks_up)

    def asked_unlike(self, other: Conditions) -> str:
        """What makes the prompts of both sides differ, in words; empty where they are the same, or not known."""
        alike = self.tokenizer is None or other.tokenizer is None or self.tokenizer == other.tokenizer
        if alike and self.prompt_digest and self.prompt_digest == other.prompt_digest:
            return ""
        pairs = [(what, getattr(self, field), getattr(other, field)) for field, what in RENDERED]
        if self.looks_up != other.looks_up:
            return "prompts, since one side looks passages up,"
        differ = [what for what, own, theirs in pairs if own is not None and theirs is not None and own != theirs]
        # The prompts differ because the tokenizer or the template does; they are the reason only if neither does.
        return " and ".join(f"{what}s" for what in differ if what != "prompt" or len(differ) == 1)

    def computed_unlike(self, other: Conditions) -> str:
        """Both sides' hardware in words where it is not the same kind, "a CPU and NVIDIA L4"; else empty."""
        own, theirs = self.computed_on, other.computed_on
        if not own or not theirs or own == theirs:
            return ""
        known = IN_DTYPE in own and IN_DTYPE in theirs  # results of older files do not say the dtype
        same_gpu = own.partition(IN_DTYPE)[0] == theirs.partition(IN_DTYPE)[0]
        return "" if same_gpu and not known else f"{own} and {theirs}"


def computed_on(record: Json) -> str | None:
    """What computed the answers: the GPU's name and dtype, "a CPU", or a server; None where none was recorded."""
    gpu, device = record.get("environment", {}).get("gpu"), str(record.get("device"))
    if device.startswith("http"):
        return f"the server {device}"
    if gpu and record.get("dtype"):
        return f"{gpu}{IN_DTYPE}{record['dtype']}"
    return gpu or ("a CPU" if device == "cpu" else None)


def paired_samples(candidate: Evaluation, baseline: Evaluation, common: bool = False) -> Pairs:
    """Both sides' samples by id.

    Where --adaptive made one side, its drawn order is kept; where that stopped it early, the samples that both
    answered are compared.
    """
    common = common or candidate.spared > 0 or baseline.spared > 0
    if baseline.adaptive and not candidate.adaptive:
        theirs, ours = pair_up(candidate.suite, baseline.samples, candidate.samples, common)
        return ours, theirs
    return pair_up(candidate.suite, candidate.samples, baseline.samples, common)


def pair_up(suite: str, ours: Sequence[ScoredSample], theirs: Sequence[ScoredSample], common: bool = False) -> Pairs:
    """The samples of both sides by id, in the candidate's order.

    With `common`, only samples that both answered. Raises SuiteError where an id occurs twice, where the sides did not
    answer the same samples, or, with `common`, where no sample is common.
    """
    a, b = ({sample.sample_id: sample for sample in side} for side in (ours, theirs))
    for side, by_id in ((ours, a), (theirs, b)):
        if len(by_id) < len(side):
            ids = [sample.sample_id for sample in side]
            twice = next(name for name in ids if ids.count(name) > 1)
            raise SuiteError(f"suite {suite}: sample id {twice!r} occurs twice.", "Samples are paired by id.")
    only_a, only_b = a.keys() - b.keys(), b.keys() - a.keys()
    both = [name for name in a if name in b]
    if (only_a or only_b) and not common:
        raise SuiteError(
            f"suite {suite}: the two sides did not answer the same samples: {len(only_a):,} are missing in "
            f"the baseline, {len(only_b):,} in the candidate ({', '.join(sorted(only_a | only_b)[:3])}).",
            "Run both again with the same suite (--reevaluate), or compare the common ones: harness compare --common.",
        )
    if not both:
        raise SuiteError(f"suite {suite}: the two sides have no sample in common.")
    return [a[name] for name in both], [b[name] for name in both]


def check_comparable(candidate: Evaluation, blessed: Evaluation, baseline: str) -> None:
    """SuiteError where a baseline's evaluation was made with another suite, prompt or tokenizer than the candidate's."""
    for field, there, here in differences(blessed.spec["suite"], candidate.spec["suite"]):
        what = QUESTIONS.get(field.split(".")[0].split("[")[0], field)
        changed = f"suite {candidate.suite} has changed in {what} ({shown(there)} there, {shown(here)} here)"
        raise _incomparable(baseline, candidate, changed)
    for field, what in RENDERED:
        if field == "prompt_digest" and (candidate.adaptive or blessed.adaptive):
            continue  # over other samples
        there, here = blessed.record.get(field), candidate.record.get(field)
        if there is not None and here is not None and there != here:
            changed = f"the {what} differs ({shown(there)} there, {shown(here)} here)"
            raise _incomparable(baseline, candidate, changed)


def _incomparable(baseline: str, candidate: Evaluation, changed: str) -> SuiteError:
    return SuiteError(
        f"baseline {baseline} does not compare with {candidate.subject}: {changed}.",
        f"Bless what is measured now, once it is trusted: harness baseline set {baseline}",
    )
