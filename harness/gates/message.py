"""A verdict in words: one paragraph that a stranger understands without any other."""

from __future__ import annotations

from harness.gates.evidence import Evidence, Loud
from harness.gates.verdict import Verdict
from harness.statistics.interval import p_in_words


def paragraph(judged: Verdict, found: Evidence) -> str:
    """What was claimed, both numbers, the interval, the test, the conclusion, and the samples that speak most for it."""
    sentences = [f"{judged.subject} claims: {judged.claim}."]
    if found.wanted == "equal":
        sentences.append(f"Its {judged.suite} {judged.metric} {found.method}.")
    else:
        sentences += [_numbers(judged, found), _difference(judged, found)]
    if found.asked_otherwise:
        sentences.append(f"The two sides were not asked the same tokens: their {found.asked_otherwise} differ.")
    if found.computed_otherwise:
        sentences.append(f"The two sides were not computed on the same hardware: {found.computed_otherwise}.")
    if found.cut and found.wanted != "equal":
        sentences.append(f"Completions cut at max_new_tokens: {found.cut}.")
    if found.limit is not None:
        sentences.append(f"Only {found.limit:,} samples of a suite were asked (--limit).")
    sentences.append(_conclusion(judged, found))
    if found.loudest:
        sentences.append(f"Loudest samples: {', '.join(_loud(one) for one in found.loudest)}.")
    return " ".join(sentences)


def _numbers(judged: Verdict, found: Evidence) -> str:
    over = f" over {found.seeds} training seeds" if found.seeds > 1 else ""
    return f"Its {judged.suite} {judged.metric} is {found.candidate:.3f}{over} against {found.against};"


def _difference(judged: Verdict, found: Evidence) -> str:
    p = ""
    if judged.kind == "regression" and found.p_value is not None:
        p = f', p {p_in_words(found.p_value)} against "worse by {-found.margin:g} or more"'
        if judged.verdict != "pass" and judged.p_adjusted is not None:
            p += f' and {p_in_words(1 - found.p_value)} against "no worse than that"{_holm(judged)}'
    elif found.p_value is not None:
        p = f", p {p_in_words(found.p_value)}{_holm(judged)}"
    return (
        f"the difference is {found.estimate:+.3f} ({100 * found.level:g} % interval {found.low:+.3f} to "
        f"{found.high:+.3f}, {found.n:,} samples, {found.method}{p})."
    )


def _holm(judged: Verdict) -> str:
    if judged.family is None or judged.family < 2 or judged.p_adjusted is None:
        return ""
    return f", {p_in_words(judged.p_adjusted).removeprefix('= ')} after Holm over {judged.family} claims"


def _conclusion(judged: Verdict, found: Evidence) -> str:
    if judged.verdict == "inconclusive":
        return _undecided(judged, found)
    holds = judged.verdict == "pass"
    if found.wanted == "equal":
        return "The claim holds." if holds else "The claim fails."
    side, worse = ("lower", "higher") if found.wanted == "below" else ("higher", "lower")
    if found.margin < 0:
        state = f"{'not ' if holds else ''}{worse} by {-found.margin:g} or more"
    else:
        state = f"{'' if holds else 'not '}{side}{f' by at least {found.margin:g}' if found.margin else ''}"
    what = "a regression" if judged.kind == "regression" and not holds else f"the claim {'holds' if holds else 'fails'}"
    return f"It is {state}: {what}."


def _undecided(judged: Verdict, found: Evidence) -> str:
    if found.seeds > 1:
        return f"That cannot be decided with {found.seeds} training seeds; more of them, or more samples, would decide."
    need = (
        f"about {judged.samples_needed:,} samples would decide"
        if judged.samples_needed
        else "no feasible number of samples would decide"
    )
    alone = found.low > found.edge or found.high < found.edge
    why = f"The interval alone would decide, but not after Holm over {judged.family} claims. " if alone else ""
    return f"{why}That cannot be decided with {found.n:,} samples; {need} a difference of this size."


def _loud(one: Loud) -> str:
    """'tone-012 (0.93 against 0.11)'."""
    if one.candidate is None:
        return one.sample_id
    other = f" against {one.baseline:.3g}" if one.baseline is not None else ""
    return f"{one.sample_id} ({one.candidate:.3g}{other})"
