"""Numbers, verdicts and findings as a reader meets them, the same in all three reports."""

import math
import re
from collections.abc import Callable
from typing import Any

from reports.content import Content, Gate, Metric, Run

MISSING = "–"
VERDICTS = {  # verdict -> symbol and word; never told by colour alone
    "pass": ("✓", "holds"),
    "fail": ("✕", "fails"),
    "inconclusive": ("○", "undecided"),
    "skipped": ("–", "skipped"),
}
LOWER_IS_BETTER = {
    "conversational", "hallucinated", "touched", "shared", "bits_per_byte", "perplexity", "word_perplexity", "held_out_loss_change",
}  # fmt: skip
FLOORS = {
    "chance": "answering blindly",
    "longest_answer": "always the longest answer",
    "first_answer": "always the first answer",
}
METRICS = {  # what a number means, where its name does not say it
    "acc": "share right, by log-probability",
    "acc_norm": "the same, divided by characters",
    "acc_mutual_info": "the same, less the answer's own probability",
    "gold_logprob": "mean log-probability of the right answer, nats",
    "bits_per_byte": "lower is better",
    "perplexity": "per token, lower is better",
    "word_perplexity": "per word, lower is better",
    "conversational": "probability; lower is more encyclopedic",
    "held_out_loss_change": "nats; below zero, training helped",
    "finite": "share with finite logits",
    "nonempty": "share not empty",
    "no_loop": "share without loops",
    "largest_activation": "largest magnitude a layer put out; float16 holds 65,504",
    "accuracy": "share right",
    "coverage": "share of the key points covered",
    "unseen": "share of the fact said, asked in unseen words",
    "verbatim": "the same, asked as in training",
    "reversed": "the same, asked from the answer to the item",
    "exact": "share with code and value exactly right",
    "neighbour": "share of general facts nearby still said",
    "hallucinated": "share of invented items answered with confidence",
    "touched": "share of items with eight words in a row in training",
    "shared": "mean share of an item’s eight-word runs in training",
    "bfloat16_agreement": "share of tokens a bfloat16 copy would choose too",
    "int8_agreement": "the same, 8 bits",
    "nf4_agreement": "the same, 4 bits",
}


# Control characters but tab and line feed; what turns the direction of text; halves of surrogate pairs.
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with control and direction-changing characters made visible; line breaks and tabs stay."""
    return UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


def number(value: float | None) -> str:
    """Three to four significant digits: 0.412, 23.48, 1,024, −0.031."""
    if value is None:
        return MISSING
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 1e7 or 0 < size < 5e-5:
        text = f"{value:.2e}"
    elif size >= 1000:
        text = f"{value:,.0f}"
    elif size >= 100:
        text = f"{value:.1f}"
    elif size >= 10:
        text = f"{value:.2f}"
    elif 0 < size < 0.01:
        text = f"{value:.4f}"
    else:
        text = f"{value:.3f}"
    return text.replace("-", "−")


def signed(value: float | None) -> str:
    return f"+{number(value)}" if value is not None and value > 0 else number(value)


def interval(low: float | None, high: float | None, show: Callable[[float | None], str] = number) -> str:
    """'0.361 to 0.463', or the empty string where there is none."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    return f"{show(low)} to {show(high)}"


def metric_cell(metric: Metric | None) -> str:
    """Estimate and interval in one line, for tables without markup."""
    if metric is None:
        return MISSING
    span = interval(metric.low, metric.high)
    return f"{number(metric.estimate)} ({span})" if span else number(metric.estimate)


def count(value: int | None) -> str:
    return MISSING if value is None else f"{value:,}"


def plural(value: int, one: str, many: str) -> str:
    return f"{value:,} {one if value == 1 else many}"


def listed(words: list[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return MISSING
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def memory(size: int | None) -> str:
    if size is None:
        return MISSING
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def short(fingerprint: str | None) -> str:
    return fingerprint[:8] if fingerprint else MISSING


def verdict_line(gates: tuple[Gate, ...]) -> str:
    """The report's first sentence: '3 claims hold, 1 fails, 1 cannot be decided; 2 were skipped.'"""
    if not gates:
        return "No claims were judged in this run."
    counts = {verdict: sum(gate.verdict == verdict for gate in gates) for verdict in VERDICTS}
    told = [
        (counts["pass"], "holds", "hold"),
        (counts["fail"], "fails", "fail"),
        (counts["inconclusive"], "cannot be decided", "cannot be decided"),
    ]
    parts = [f"{n:,} {one if n == 1 else many}" for n, one, many in told if n]
    if parts:
        first, rest = parts[0].split(" ", 1)
        parts[0] = f"{first} {'claim' if first == '1' else 'claims'} {rest}"
    skipped = counts["skipped"]
    if skipped and not parts:
        return f"{plural(skipped, 'claim was', 'claims were')} skipped, none was judged."
    tail = f"; {plural(skipped, 'was', 'were')} skipped" if skipped else ""
    return f"{', '.join(parts)}{tail}."


def level(gate: Gate) -> str:
    return f"{(gate.level or 0.95) * 100:g} %"


def run_line(run: Run) -> str:
    """Date, scale, devices, minutes and commit in one line."""
    parts = [f"{run.started_at.day} {run.started_at:%B %Y, %H:%M} UTC"]
    if run.scale:
        parts.append(f"{run.scale} scale")
    if run.devices:
        parts.append(f"on {run.devices}")
    if run.seconds is not None:
        parts.append(duration(run.seconds))
    if run.commit_id:
        changed = " with uncommitted changes" if run.commit_id.endswith("+") else ""
        parts.append(f"commit {run.commit_id.rstrip('+')[:10]}{changed}")
    return " · ".join(parts)


def floor_name(floor: str) -> str:
    return FLOORS.get(floor, floor)


def floor_sentence(content: Content, suite: str, metric: str) -> str:
    """Why beating chance alone proves nothing here; empty where no floor stands above chance."""
    floors = content.floors_of(suite, metric)
    chance = floors.pop("chance", None)
    above = sorted(((value, name) for name, value in floors.items() if value > (chance or 0)), reverse=True)
    if chance is None or not above:
        return ""
    told = listed([f"{number(value)} for {floor_name(name)}" for value, name in above])
    return (
        f"Answering blindly scores {number(chance)} in {metric}, but so little is needed for more: {told}. "
        f"Beating chance alone therefore proves nothing; a model must beat {number(above[0][0])}."
    )


def versions(environment: dict, path: str = "") -> dict[str, str]:
    """An environment as flat name -> text, however deep it was nested."""
    flat: dict[str, str] = {}
    for name, value in environment.items():
        where = f"{path}.{name}" if path else str(name)
        flat |= versions(value, where) if isinstance(value, dict) else {where: _plain(value)}
    return flat


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def differing_versions(made_under: dict, run: dict) -> list[str]:
    """Libraries whose minor version then was another than now: 'torch 2.12.0 then, 2.13.0 now'."""
    then, now = versions(made_under), versions(run)
    return [
        f"{name.split('.')[-1]} {then[name]} then, {now[name]} now"
        for name in sorted(then.keys() & now.keys())
        if then[name][:1].isdigit() and "." in then[name] and then[name].split(".")[:2] != now[name].split(".")[:2]
    ]
