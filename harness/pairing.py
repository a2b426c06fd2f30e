"""Two evaluations of one suite: their samples in pairs, and whether they may be compared at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.errors import SuiteError
from harness.evaluation import Evaluation
from harness.fingerprint import differences, short


def paired_rows(
    candidate: Evaluation, baseline: Evaluation, common: bool = False
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Both sides' samples, in the drawn order of the one under --adaptive; where that stopped one early, those that both
    answered."""
    common = common or candidate.spared > 0 or baseline.spared > 0
    if baseline.adaptive and not candidate.adaptive:
        theirs, ours = pair_up(candidate.suite, baseline.samples, candidate.samples, common)
        return ours, theirs
    return pair_up(candidate.suite, candidate.samples, baseline.samples, common)


def pair_up(
    suite: str, ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]], common: bool = False
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of both sides by sample id, in the candidate's order.

    SuiteError where an id occurs twice, where the two sides did not answer the same samples, or, with `common`, which
    pairs those that both answered, where there is none.
    """
    a, b = ({row["sample_id"]: row for row in side} for side in (ours, theirs))
    for side, rows in ((ours, a), (theirs, b)):
        if len(rows) < len(side):
            ids = [row["sample_id"] for row in side]
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


def check_comparable(candidate: Evaluation, blessed: Evaluation, name: str) -> None:
    """SuiteError where a baseline's evaluation was made with another suite, prompt or tokenizer than the candidate's."""
    ours, theirs = candidate.artifact, blessed.artifact
    fields = {"to_sample": "how rows become samples", "data": "the rows"}
    for field, there, here in differences(theirs.spec["suite"], ours.spec["suite"]):
        what = fields.get(field.split(".")[0].split("[")[0], field)
        told = f"suite {candidate.suite} has changed in {what} ({_shown(there)} there, {_shown(here)} here)"
        raise _incomparable(name, candidate, told)
    for field, what in (("tokenizer", "tokenizer"), ("chat_template", "chat template"), ("prompt_digest", "prompt")):
        if field == "prompt_digest" and (candidate.adaptive or blessed.adaptive):
            continue  # of other samples
        there, here = theirs.record.get(field), ours.record.get(field)
        if there is not None and here is not None and there != here:
            told = f"the {what} differs ({_shown(there)} there, {_shown(here)} here)"
            raise _incomparable(name, candidate, told)


def _incomparable(name: str, candidate: Evaluation, told: str) -> SuiteError:
    return SuiteError(
        f"baseline {name} does not compare with {candidate.artifact.record.get('subject')}: {told}.",
        f"Bless what is measured now, once it is trusted: harness baseline set {name}",
    )


def _shown(value: Any) -> str:
    text = str(value)
    return short(text) if len(text) >= 32 and " " not in text else text
