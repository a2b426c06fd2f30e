"""What people say of answers: one file for each rater of a comparison, kept in the store as sessions are.

A line is on disk before the rater's page hears that it is kept; a line that a kill has cut is none. A rating that is
changed is another line, and the last one counts.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import StoreError
from harness.files import Json, disk_errors_explained, read_json_lines
from harness.store.artifacts import Store

FOLDER = "ratings"
VALUES = {"first": 1.0, "second": -1.0, "same": 0.0, "bad": 0.0}  # of a pair: for the first subject, 0 for neither


@dataclass(frozen=True)
class Comparison:
    """Whose answers are rated: two subjects' by pairs, or one's on a scale, both of one suite."""

    suite: str
    subjects: tuple[str, ...]
    answers: tuple[str, ...]  # their keys: answers that are made anew are another comparison's
    points: int | None = None  # of the scale; None: pairs

    @property
    def key(self) -> str:
        """Names its files."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Rating:
    """What one rater said of one pair, or of one answer."""

    rater: str
    sample_id: str
    showing: int  # 0, and 1 where it is shown again to see whether the rater says the same
    value: str  # one of VALUES, or points from 1
    on_left: str  # the subject whose answer stood on the left, or first; of a scale the only one
    note: str = ""
    seconds: float | None = None  # that it was shown
    rated_at: str = ""  # UTC

    @property
    def place(self) -> tuple[str, int]:
        """What it is about, among the rater's."""
        return self.sample_id, self.showing

    @property
    def number(self) -> float:
        """Of a pair 1, -1 or 0, above zero for the first subject; of a scale the points."""
        return VALUES[self.value] if self.value in VALUES else float(self.value)


@dataclass(frozen=True)
class Rated:
    """A comparison's ratings, each rater's last of each place."""

    comparison: Comparison
    ratings: tuple[Rating, ...]


class RaterFile:
    """One rater's file of a comparison, for writing. One process at a time has it, by the comparison's lock."""

    def __init__(self, store: Store, comparison: Comparison, rater: str, secret: str) -> None:
        """`secret`: by which the rater's browser is known again; only its digest is kept."""
        folder = store.shared(FOLDER)
        folder.mkdir(parents=True, exist_ok=True)
        self.store, self.rater = store, rater
        whose = json.dumps([rater, store.project, platform.node()])  # a machine writes its own files
        self.path = folder / f"{comparison.key}.{hashlib.sha256(whose.encode()).hexdigest()[:16]}.jsonl"
        lines = read_json_lines(self.path, skip_broken=True)
        self.last = _last(lines)
        for other in sorted(folder.glob(f"{comparison.key}.*.jsonl")):  # what the same person said on other machines
            head = _head(other)
            if other != self.path and head is not None and head["rater"] == rater and _is_own(store, head):
                for place, one in _last(read_json_lines(other, skip_broken=True)).items():
                    if place not in self.last or self.last[place].rated_at < one.rated_at:
                        self.last[place] = one
        self.secret = next((line["secret"] for line in reversed(lines) if "secret" in line), hashed(secret))
        if not lines:
            head = {"comparison": asdict(comparison), "rater": rater, "secret": self.secret, "project": store.project}
            self.path.write_text("")
            self._append(head)

    def add(self, rating: Rating) -> bool:
        """Keep a rating; False where it says what the last one of its place says."""
        known = self.last.get(rating.place)
        if known is not None and (known.value, known.note, known.on_left) == (
            rating.value,
            rating.note,
            rating.on_left,
        ):
            return False
        at = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        kept = replace(rating, rated_at=at)
        self._append(asdict(kept))
        self.last[rating.place] = kept
        return True

    def known(self, secret: str) -> bool:
        """Whether a browser is the one that gave this name."""
        return self.secret == hashed(secret)

    def taken_over(self, secret: str) -> None:
        """From now on the rater's browser is another: who rates says that it is the same person."""
        self.secret = hashed(secret)
        self._append({"secret": self.secret})

    def share(self) -> None:
        """Let the other machines have it."""
        self.store.share(self.path)

    def _append(self, line: Json) -> None:
        """Write a line to the disk. One that was cut before, by a kill or a full disk, is ended first: it is none."""
        with disk_errors_explained(f"writing {self.path}"), self.path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            cut = file.read(1) not in (b"", b"\n")
            file.write((b"\n" if cut else b"") + json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def hashed(secret: str) -> str:
    """A secret's digest."""
    return hashlib.sha256(secret.encode()).hexdigest()


def raters_of(store: Store, comparison: Comparison) -> list[str]:
    """The names of those who rated it for the project."""
    heads = (_head(path) for path in sorted(store.shared(FOLDER).glob(f"{comparison.key}.*.jsonl")))
    return [str(head["rater"]) for head in heads if head is not None and _is_own(store, head)]


def read_ratings(store: Store) -> list[Rated]:
    """All ratings of the project's comparisons, and of those that do not say whose they are."""
    found: dict[Comparison, dict[tuple[str, str, int], Rating]] = {}
    for path in sorted(store.shared(FOLDER).glob("*.jsonl")):
        lines = read_json_lines(path, skip_broken=True)
        if not lines or "answers" not in lines[0].get("comparison", ()):
            continue  # killed before its first line was whole
        if not _is_own(store, lines[0]):
            continue
        of = found.setdefault(_comparison(lines[0]), {})
        for one in _last(lines).values():  # a rater may have rated on several machines
            known = of.get((one.rater, *one.place))
            if known is None or known.rated_at <= one.rated_at:
                of[one.rater, *one.place] = one
    return [Rated(comparison, tuple(ratings.values())) for comparison, ratings in found.items()]


def answers_rated(store: Store) -> set[str]:
    """Keys of all answers that somebody rated, of any project."""
    heads = (_head(path) for path in store.shared(FOLDER).glob("*.jsonl"))
    return {key for head in heads if head is not None for key in head["comparison"]["answers"]}


def rows_of(store: Store) -> Iterator[Json]:
    """Rows of the table `ratings`."""
    for rated in read_ratings(store):
        of = rated.comparison
        first, second = (*of.subjects, None)[:2]
        for one in rated.ratings:
            yield {
                "comparison": of.key, "suite": of.suite, "first": first, "second": second, "first_answers": of.answers[0],
                "second_answers": of.answers[1] if second else None, "points": of.points, **asdict(one), "number": one.number,
            }  # fmt: skip


def _head(path: Path) -> Json | None:
    with path.open("rb") as file:
        try:
            head = json.loads(file.readline())
        except ValueError:
            return None
    return head if isinstance(head, dict) and "answers" in head.get("comparison", ()) else None


def _is_own(store: Store, head: Json) -> bool:
    return store.project is None or head["project"] in (None, store.project)


def _last(lines: list[Json]) -> dict[tuple[str, int], Rating]:
    """Each place's last rating."""
    return {one.place: one for one in map(_rating, [line for line in lines[1:] if "secret" not in line])}


def _comparison(head: Json) -> Comparison:
    of = head["comparison"]
    return Comparison(of["suite"], tuple(of["subjects"]), tuple(of["answers"]), of["points"])


def _rating(line: Json) -> Rating:
    try:
        return Rating(**line)
    except TypeError as error:
        raise StoreError(
            f"a rating in the store is of another version of the harness ({error}).", "Update it."
        ) from None
