"""Content -> a ranking of the subjects in each metric, as far as intervals tell them apart."""

from dataclasses import dataclass
from math import isnan

from harness.report.content import Content, Evaluation, Metric
from harness.report.words import arrow, listed

FEWEST = 3  # subjects that make a ranking; two are told apart by the results themselves


@dataclass(frozen=True)
class Placed:
    """One subject in a ranking."""

    place: int  # 1 and as many more as there are subjects whose whole interval is better
    subject: str
    metric: Metric


@dataclass(frozen=True)
class Ranking:
    """One metric of one suite: the subjects by place, within one by estimate."""

    suite: str
    metric: str
    arrow: str  # where it gets better, "↓" or "↑"
    placed: list[Placed]

    @property
    def tells_apart(self) -> bool:
        """Whether any subject stands behind another."""
        return self.placed[-1].place > 1


def rankings(content: Content) -> list[Ranking]:
    """A ranking for every metric that is known to get better upwards or downwards, over FEWEST subjects at least.

    Places are counted as Chatbot Arena does (Chiang et al. 2024, arXiv:2403.04132): a subject stands behind those
    whose intervals lie wholly on the better side of its own. Those whose intervals overlap may share a place, which
    is not to say that they are equal: claims compare them sample by sample, and tell more of them apart.
    Subjects that were asked otherwise than most, at another scale, in part or by another version of the suite, have
    no place: see `unlike_line`.
    """
    found = []
    for suite in content.suites:
        alike, _ = _alike(content, suite)
        for metric in content.metric_names(suite):
            measured = [
                (one.subject, one.metrics[metric])
                for one in alike
                if metric in one.metrics
                and one.metrics[metric].estimate is not None
                and not isnan(one.metrics[metric].estimate or 0.0)
            ]
            better = arrow(content, suite, metric)
            if better and len(measured) >= FEWEST:
                found.append(Ranking(suite, metric, better, _placed(measured, rises=better == "↑")))
    return found


def unlike_line(content: Content, suite: str) -> str:
    """A sentence on the subjects that have no place, since they were asked otherwise than most; empty without any."""
    _, others = _alike(content, suite)
    if not others:
        return ""
    names, were = listed([one.subject for one in others]), "was" if len(others) == 1 else "were"
    return f"Without a place: {names}, which {were} asked at another scale, in part, or otherwise."


def level_line(found: list[Ranking]) -> str:
    """A sentence on the metrics in which no subject stands behind another; empty where there are none."""
    level = [one.metric for one in found if not one.tells_apart]
    return f"In {listed(level)} no subject’s interval is wholly better than another’s." if level else ""


def _alike(content: Content, suite: str) -> tuple[list[Evaluation], list[Evaluation]]:
    """The largest group of the suite's evaluations that were asked and scored alike, and all others."""
    groups: dict[tuple[object, ...], list[Evaluation]] = {}
    for one in content.of_suite(suite).values():
        groups.setdefault((one.scale, one.sample_limit, one.asked), []).append(one)
    largest = max(groups.values(), key=len)
    return largest, [one for group in groups.values() if group is not largest for one in group]


def _placed(measured: list[tuple[str, Metric]], rises: bool) -> list[Placed]:
    sign = 1.0 if rises else -1.0
    spans = [sorted(sign * edge for edge in _interval(one)) for _, one in measured]  # higher is better
    placed = [
        Placed(1 + sum(other[0] > own[1] for other in spans), name, one)
        for (name, one), own in zip(measured, spans, strict=True)
    ]
    return sorted(placed, key=lambda one: (one.place, -sign * (one.metric.estimate or 0.0), one.subject))


def _interval(metric: Metric) -> tuple[float, float]:
    """Its interval, or the estimate alone where there is none."""
    estimate, edges = metric.estimate or 0.0, (metric.low, metric.high)
    low, high = (estimate if edge is None or isnan(edge) else edge for edge in edges)
    return low, high
