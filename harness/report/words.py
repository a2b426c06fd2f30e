"""Numbers, verdicts and findings in words, the same in all three forms of the report."""

import math
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from harness.claims import QUESTIONS  # noqa: F401  (for the templates)
from harness.report.content import Content, Gate, Metric, Run
from harness.statistics.interval import LEAST_SHOWN, MANY_CUT

MISSING = "–"
VERDICTS = {  # verdict -> symbol and word; colour is never the only sign
    "pass": ("✓", "holds"),
    "fail": ("✕", "fails"),
    "inconclusive": ("○", "undecided"),
    "skipped": ("–", "skipped"),
}
LOWER_IS_BETTER = {  # metrics, and the scores of single samples
    "conversational", "wordless", "hallucinated", "touched", "shared", "bits_per_byte", "perplexity", "word_perplexity", "bits", "nll",
    "held_out_loss_change", "held_out_loss", "largest_activation", "bfloat16_divergence", "int8_divergence", "nf4_divergence",
}  # fmt: skip
HIGHER_IS_BETTER = {  # beside those of METRICS that are not named here as lower or neither
    "rouge1", "rouge2", "rougeL", "bleu", "chrf", "exact_match", "f1", "em",
}  # fmt: skip
NEITHER_IS_BETTER = {"tokens", "words", "bytes", "words_per_sentence", "held_out_loss_before"}
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


def cell(value: object) -> str:
    """A value of a project's own table: numbers as everywhere, nothing as a dash."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    return number(float(value)) if isinstance(value, float | Decimal) else str(value)


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
    if seconds == 0:
        return "0 s"
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def memory(size: int | None) -> str:
    if size is None:
        return MISSING
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def energy(joules: float | None) -> str:
    """In watt-hours, from a thousand on in kilowatt-hours."""
    if joules is None:
        return MISSING
    hours = joules / 3600
    return f"{number(hours)} Wh" if hours < 1000 else f"{number(hours / 1000)} kWh"


def rate(per_second: float | None) -> str:
    """Things a second."""
    if per_second is None:
        return MISSING
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.1f}"


def short(fingerprint: str | None) -> str:
    return fingerprint[:8] if fingerprint else MISSING


def headline(content: Content) -> str:
    """The report's first sentence, which says where the session did not come to its end."""
    line = verdict_line(content.gates)
    return f"Interrupted before its end. {line}" if content.run.interrupted else line


def verdict_line(gates: tuple[Gate, ...]) -> str:
    """The claims' verdicts in one sentence: '3 claims hold, 1 fails, 1 cannot be decided; 2 were skipped.'"""
    if not gates:
        return "No claims were judged."
    counts = {verdict: sum(gate.verdict == verdict for gate in gates) for verdict in VERDICTS}
    named = [
        (counts["pass"], "holds", "hold"),
        (counts["fail"], "fails", "fail"),
        (counts["inconclusive"], "cannot be decided", "cannot be decided"),
    ]
    parts = [f"{n:,} {one if n == 1 else many}" for n, one, many in named if n]
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


def day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def run_line(runs: tuple[Run, ...]) -> str:
    """What is reported on, in one line: one run with its date, scale, devices, time and commit, or several."""
    newest, oldest = runs[0], runs[-1]
    if len(runs) > 1 and day(oldest.started_at) == day(newest.started_at):
        span = f"{oldest.started_at:%H:%M} to {newest.started_at:%H:%M} UTC"
        parts = [f"{len(runs):,} runs on {day(newest.started_at)}, {span}"]
    elif len(runs) > 1:
        parts = [f"{len(runs):,} runs from {day(oldest.started_at)} to {day(newest.started_at)}"]
    else:
        parts = [f"{day(newest.started_at)}, {newest.started_at:%H:%M} UTC"]
    parts += [f"{listed(each)} scale" for each in [_distinct(run.scale for run in runs)] if each]
    limits = {run.sample_limit for run in runs if run.sample_limit is not None}
    if limits:
        parts.append(f"at most {min(limits):,} samples of a suite")
    parts += [f"on {listed(each)}" for each in [_distinct(run.devices for run in runs)] if each]
    if any(run.exact for run in runs):
        parts.append(
            "in float32 and fixed batches" if all(run.exact for run in runs) else "some in float32 and fixed batches"
        )
    seconds = [run.seconds for run in runs if run.seconds is not None]
    if seconds:
        parts.append(duration(sum(seconds)))
    commits = _distinct(commit_name(run.commit_id) for run in runs if run.commit_id)
    if len(commits) == 1:
        parts.append(f"commit {commits[0]}")
    elif commits:
        parts.append(f"{len(commits):,} commits, {commits[0]} the newest")
    return " · ".join(parts)


def cut_line(content: Content) -> str:
    """The suites of which many completions were cut, and how many of each subject's; empty where there are none."""
    found = []
    for suite in content.suites:
        shares = sorted(e.cut / e.completions for e in content.of_suite(suite).values() if e.completions)
        if shares and shares[-1] > MANY_CUT:
            span = dict.fromkeys(f"{100 * share:.0f}" for share in (shares[0], shares[-1]))
            found.append(f"{suite} {' to '.join(span)} %")
    return f"Completions cut at max_new_tokens, by subject: {', '.join(found)}." if found else ""


def _distinct(values: Iterable[str | None]) -> list[str]:
    return [value for value in dict.fromkeys(values) if value]


def commit_name(commit_id: str | None) -> str:
    """Its first ten characters, and whether it had changes."""
    if not commit_id:
        return MISSING
    return commit_id.rstrip("+")[:10] + (" with uncommitted changes" if commit_id.endswith("+") else "")


def gate_kind(gate: Gate) -> str:
    """'regression check', 'target', or the empty string for a claim like any other."""
    return {"regression": "regression check", "target": "target"}.get(gate.kind or "", "")


def adjusted(gate: Gate) -> str:
    """The p value as it was judged: 'p = 0.003 after Holm over 4 claims'."""
    if gate.kind == "regression" and gate.verdict == "pass":  # only failures are adjusted for the number of claims
        return f"p {p_value(gate.p_value)} against being worse by the margin" if gate.p_value is not None else ""
    if gate.p_adjusted is not None and gate.family != 1:
        over = f" over {gate.family:,} claims" if gate.family is not None else ""
        return f"p {p_value(gate.p_adjusted)} after Holm{over}"
    return f"p {p_value(gate.p_value)}" if gate.p_value is not None else ""


def p_value(value: float) -> str:
    """'= 0.0012', or '< 1e-10' where more digits mean nothing."""
    return f"= {number(value)}" if value >= LEAST_SHOWN else f"< {LEAST_SHOWN:g}"


def arrow(content: Content, suite: str, metric: str) -> str:
    """Where a metric gets better, "↓" or "↑", as its suite declares; else as it is known by its name, or empty."""
    declared = next((run.better[suite][metric] for run in content.runs if metric in run.better.get(suite, {})), None)
    if declared:
        return "↓" if declared == "lower" else "↑"
    if metric in LOWER_IS_BETTER:
        return "↓"
    return "↑" if metric in METRICS.keys() - NEITHER_IS_BETTER | HIGHER_IS_BETTER else ""


def floor_name(floor: str) -> str:
    return FLOORS.get(floor, floor)


def floor_sentence(content: Content, suite: str, metric: str) -> str:
    """Why beating chance alone proves nothing here; empty where no floor stands above chance."""
    floors = content.floors_of(suite, metric)
    chance = floors.pop("chance", None)
    above = sorted(((value, name) for name, value in floors.items() if value > (chance or 0)), reverse=True)
    if chance is None or not above:
        return ""
    higher = listed([f"{number(value)} for {floor_name(name)}" for value, name in above])
    return (
        f"Answering blindly scores {number(chance)} in {metric}, but so little is needed for more: {higher}. "
        f"Beating chance alone therefore proves nothing; a model must beat {number(above[0][0])}."
    )
