"""Content -> scores over past runs: a series for each subject, in the first metric of each suite."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harness.report.content import Changed, Content, PastScore
from harness.report.settings import change
from harness.report.words import listed, number, p_value

MOST_RUNS = 30
MANY_SUITES = 4  # from so many on, their number is given instead of their names
MOST_SUBJECTS = 8  # drawn in one chart


@dataclass(frozen=True)
class PastRun:
    """One run of the history; `place` counts the runs shown, oldest first."""

    place: int
    run_id: str
    started_at: datetime
    commit: str  # its first seven characters, '+' where it had changes; the day where there is none
    changes: list[str]  # settings that differ from the run shown before: 'wiki_only-mini: learning_rate 0.0005 → 0.001'


@dataclass(frozen=True)
class History:
    """One metric of one suite over the runs in which anything was new."""

    suite: str
    metric: str
    runs: list[PastRun]
    series: dict[str, dict[int, PastScore]]  # subject -> place of the run -> score
    left_out: int  # subjects beyond MOST_SUBJECTS
    changes: list[Changed]  # of the subjects shown, oldest first

    @property
    def changed(self) -> bool:
        """Whether any subject has a new score."""
        return any(len({score.evaluation for score in scores.values()}) > 1 for scores in self.series.values())


def histories(content: Content) -> list[History]:
    """One history per suite that measured a subject in several runs; empty where nothing was new."""
    by_suite: dict[str, list[PastScore]] = {}
    for score in content.history:
        by_suite.setdefault(score.suite, []).append(score)
    drawn = (_history(content, scores) for scores in by_suite.values())
    return sorted((one for one in drawn if one is not None), key=lambda one: one.suite)


def unchanged_line(found: list[History]) -> str:
    """A sentence on suites whose scores were the same in all runs; empty where there are none."""
    same = [one.suite for one in found if not one.changed]
    if not same:
        return ""
    where = listed(same) if len(same) < len(found) or len(same) < MANY_SUITES else f"all {len(same)} suites"
    return f"No subject was measured anew, so that every score stayed as it was, in {where}."


def _history(content: Content, scores: list[PastScore]) -> History | None:
    by_run: dict[str, list[PastScore]] = {}
    for score in scores:
        by_run.setdefault(score.run_id, []).append(score)
    runs = _news(by_run)[-MOST_RUNS:]
    if len(runs) < 2:
        return None
    past = []
    settings: dict[str, Any] = {}  # of each subject, in the runs so far
    for place, run_id in enumerate(runs):
        now = {score.subject: score.settings for score in by_run[run_id]}
        differing = {name: change(settings[name], now[name]) for name in now if settings.get(name) and now[name]}
        past.append(
            _past_run(place, by_run[run_id][0], [f"{name}: {what}" for name, what in differing.items() if what])
        )
        settings |= now
    places = {run.run_id: run.place for run in past}
    series: dict[str, dict[int, PastScore]] = {subject.name: {} for subject in content.subjects}
    for score in scores:
        if score.run_id in places and score.estimate is not None:
            series[score.subject][places[score.run_id]] = score
    seen = {name: points for name, points in series.items() if points}
    longest = sorted(seen, key=lambda name: -len(seen[name]))[:MOST_SUBJECTS]
    if not any(len(points) > 1 for points in seen.values()):
        return None
    shown = {name: points for name, points in seen.items() if name in longest}
    changes = [one for one in content.changes if one.suite == scores[0].suite and one.subject in shown]
    return History(scores[0].suite, scores[0].metric, past, shown, len(seen) - len(shown), changes)


def _news(by_run: dict[str, list[PastScore]]) -> list[str]:
    """The runs, oldest first, without those of the same commit in which no evaluation was new."""
    known: dict[str, str] = {}
    commit: str | None = None
    news: list[str] = []
    for run_id, scores in sorted(by_run.items()):
        measured = {score.subject: score.evaluation for score in scores}
        if not news or known | measured != known or scores[0].commit_id != commit:
            news.append(run_id)
        known |= measured
        commit = scores[0].commit_id
    return news


def _past_run(place: int, score: PastScore, changes: list[str]) -> PastRun:
    return PastRun(place, score.run_id, score.started_at, _when(score), changes)


def _when(one: PastScore | Changed) -> str:
    """The commit's first seven characters, '+' where it had changes; the day where there is none."""
    changed = "+" if (one.commit_id or "").endswith("+") else ""
    return f"{one.commit_id[:7].rstrip('+')}{changed}" if one.commit_id else f"{one.started_at:%d %b}"


def change_line(change: Changed) -> str:
    """'0.112 → 0.373 since 3f2ab1c (p = 0.0010): settings.learning_rate 0.0005 → 0.001'."""
    why = "; ".join(change.why) or "nothing that is recorded differs"
    p = p_value(change.p_value)
    return f"{number(change.before)} → {number(change.after)} since {_when(change)} (p {p}): {why}"
