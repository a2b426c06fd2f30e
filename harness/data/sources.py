"""Where each dataset's rows are at each scale. Only declarations: `harness.data.reading.rows` reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.errors import DataError, check_types

Scale = Literal["tiny", "mini", "small", "full"]
SCALES: tuple[Scale, ...] = ("tiny", "mini", "small", "full")
Row = dict[str, Any]  # one row of data by field, as its file has it or as it is trained on


def _by_scale(full: int | None, small: int | None, mini: int | None, tiny: int | None) -> dict[str, int | None]:
    """Numbers of rows by scale; where tiny has none, as many as at mini."""
    return {"full": full, "small": small, "mini": mini, "tiny": mini if tiny is None else tiny}


def _no_session(wanted: object) -> int:
    raise DataError("a dataset has a length only within a session, which knows its scale.")


_counter: ContextVar[Callable[..., int]] = ContextVar("counter", default=_no_session)


def count_with(counter: Callable[..., int]) -> None:
    """Set the function that `len(dataset)` calls: the session's, which knows the scale and caches counts."""
    _counter.set(counter)


@dataclass(frozen=True, kw_only=True)
class Source:
    """How a source's rows become training rows.

    `prompt` and `completion` are templates, filled from a row's fields ("What is {title}?"). `text` names the field
    that holds plain text. Without any of these the row's own format decides (see `harness.data.reading.formats`).
    """

    prompt: str | None = None
    completion: str | None = None
    text: str | None = None
    only: Mapping[str, str] = field(default_factory=dict)  # keep only rows that have these values in these fields
    require: tuple[str, ...] = ()  # a row where one of these fields is null is left out, and listed
    explode: str | None = None  # a field that holds a list of objects: each object becomes a row of its own
    group: str | None = None  # rows with the same value in this field are never split; default: each text on its own
    keep: tuple[str, ...] = ()  # fields that are copied to the training row, such as its citation
    min_chars: int = 0  # rows with less text, such as headings, are left out without being listed
    max_chars: int | None = None  # and so are rows with more

    def __post_init__(self) -> None:
        for name in ("require", "keep"):
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, (getattr(self, name),))
        check_types(self, DataError)
        if (self.prompt is None) != (self.completion is None):
            raise DataError(f"{self}: prompt and completion go together.")
        if self.text is not None and self.prompt is not None:
            raise DataError(f"{self}: text and prompt exclude each other.")


@dataclass(frozen=True)
class Embedded(Source):
    """A corpus that ships with the harness: `harness/data/mini/<name>.jsonl`."""

    name: str

    def __str__(self) -> str:
        return f"embedded {self.name}"


@dataclass(frozen=True)
class Files(Source):
    """A file below `--data-root`: JSON lines, a JSON list, CSV, Parquet, Arrow, or plain text, which is what is none of
    these. All may be compressed (.gz, .zst, .bz2).

    Plain text is split into documents at each `separator` (default: a blank line). Each document is a row with one
    field, `text`. With a separator the file is text whatever it looks like.
    """

    path: str
    separator: str | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Hub(Source):
    """A dataset on the Hugging Face hub, at the revision recorded in `recipes/hub.lock.json`.

    If `file` (default: `<id>/<split>.jsonl`) exists below `--data-root`, it is read instead.
    """

    id: str
    config: str | None = field(default=None, kw_only=True)
    split: str = field(default="train", kw_only=True)
    file: str | None = field(default=None, kw_only=True)

    @property
    def local(self) -> str:
        """Path, below `--data-root`, of the local copy that is read instead of the hub if it exists."""
        return self.file or f"{self.id}/{self.split}.jsonl"

    def __str__(self) -> str:
        return f"{self.id}:{self.split}"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Named rows, with one source per scale. A scale without a source is an error: no other scale's is used for it.

    Only `tiny`, the same data on the smallest models, reads what `mini` reads unless it has a source of its own.
    """

    name: str
    tiny: Source | None = None  # default: mini's
    mini: Source | None = None
    small: Source | None = None
    full: Source | None = None

    def __post_init__(self) -> None:
        check_types(self, DataError)
        if self.tiny is None:
            object.__setattr__(self, "tiny", self.mini)

    def source(self, scale: Scale) -> Source:
        """The source at `scale`. Raises DataError if none is declared."""
        source: Source | None = getattr(self, scale)
        if source is None:
            has = [s for s in SCALES if getattr(self, s) is not None]
            raise DataError(
                f"dataset {self.name} has no {scale} source (it has: {', '.join(has) or 'none'}).",
                f"Declare Dataset({scale}=...), or choose another --scale.",
            )
        return source

    def rows(
        self,
        full: int | None = None,
        *,
        small: int | None = None,
        mini: int | None = None,
        tiny: int | None = None,
    ) -> Rows:
        """That many rows at each scale (None: all; `tiny`: as many as `mini`), picked by a stable hash of their text,
        not by their order.
        """
        return Rows(self, count=_by_scale(full, small, mini, tiny))

    def share(self, share: float) -> Rows:
        """As many rows as fill the fraction `share` (above 0, at most 1) of a mix's characters."""
        if not 0 < share <= 1:
            raise DataError(f"dataset {self.name}: share {share} is not above 0 and at most 1.")
        return Rows(self, count=dict.fromkeys(SCALES), portion=share)

    def __len__(self) -> int:
        return _counter.get()(self.rows())


@dataclass(frozen=True)
class Rows:
    """Part of a dataset: in the order of a stable hash, `skip[scale]` rows are skipped, then `count[scale]` are taken.

    A count of None takes all that are left; a skip of None leaves none. `portion`, a share of a mix's characters,
    stands in place of a count.
    """

    dataset: Dataset
    count: Mapping[str, int | None]
    skip: Mapping[str, int | None] = field(default_factory=dict)
    portion: float | None = None

    def __post_init__(self) -> None:
        for scale, count in self.count.items():
            if count is not None and count < 1:
                raise DataError(f"dataset {self.dataset.name}: {count} rows at {scale} scale; ask for at least one.")

    def held_out(
        self,
        full: int,
        *,
        small: int | None = None,
        mini: int | None = None,
        tiny: int | None = None,
        of: Dataset | None = None,
    ) -> Rows:
        """The next rows in the same order, after these: training on these does not see them.

        `of` names another dataset to take them from, such as one with a test file of its own at full scale. At a scale
        where both have the same source, these rows are skipped; elsewhere the sources are different, and none are.
        At a scale where these are all rows (no count), reading the held-out ones is a DataError: none are left.
        """
        of = self.dataset if of is None else of
        skip: dict[str, int | None] = {}
        for scale, count in self.count.items():
            if getattr(of, scale) == getattr(self.dataset, scale):
                before = self.skip.get(scale, 0)
                skip[scale] = None if before is None or count is None else before + count
        return Rows(of, _by_scale(full, small, mini, tiny), skip)

    def __len__(self) -> int:
        return _counter.get()(self)


@dataclass(frozen=True)
class Split:
    """Which side of a split mix is meant. Groups of rows are never split (see `Source.group`)."""

    side: Literal["train", "held_out"]
    count: Mapping[str, int | None]  # rows held out at each scale


@dataclass(frozen=True, kw_only=True)
class Taken:
    """How much of a mix is meant: of each group of rows at most `per_group`, and of what these leave `rows` in all."""

    rows: int | None
    per_group: int | None


@dataclass(frozen=True, init=False)
class Mix:
    """Several datasets trained on (or measured) together, in an order drawn by a stable hash.

    `file` names one file that holds the published mix. If it exists below `--data-root`, it is read at full scale,
    instead of the parts.
    """

    parts: tuple[Rows, ...]
    divided: Split | None
    taken: Taken | None
    file: str | None
    added: tuple[Mix, ...]

    def __init__(self, *parts: Rows | Dataset, file: str | None = None) -> None:
        rows = tuple(part.rows() if isinstance(part, Dataset) else part for part in parts)
        if not rows:
            raise DataError("Mix: no datasets.")
        portions = [part.portion for part in rows]
        if any(portions) and not all(portions):
            raise DataError("Mix: some parts have a share and some have rows; use one kind.")
        if any(portions) and abs(sum(p for p in portions if p) - 1) > 1e-9:
            raise DataError(
                f"Mix: shares {', '.join(map(str, portions))} sum to {sum(p for p in portions if p):g}, not 1."
            )
        object.__setattr__(self, "parts", rows)
        object.__setattr__(self, "divided", None)
        object.__setattr__(self, "taken", None)
        object.__setattr__(self, "file", file)
        object.__setattr__(self, "added", ())

    def split(
        self, full: int, *, small: int | None = None, mini: int | None = None, tiny: int | None = None
    ) -> tuple[Mix, Mix]:
        """(rows to train on, rows held out): that many are held out at each scale, and no group is on both sides."""
        if self.taken is not None or self.divided is not None or self.added:
            raise DataError("a mix is split once, and before take() and add(): Mix(...).split(...)[0].take(...).")
        count = _by_scale(full, small, mini, tiny)
        return self._with(divided=Split("train", count)), self._with(divided=Split("held_out", count))

    def take(self, rows: int | None = None, *, per_group: int | None = None) -> Mix:
        """A part of the mix: at most `per_group` rows of each group (see `Source.group`), then `rows` of those left.

        In the order of the mix, so that what is taken with a smaller number of either is among what is taken with a larger.
        Reading it is a DataError where a number is larger than what there is to take.
        """
        if rows is None and per_group is None:
            raise DataError("take(): say how many rows, or how many per_group.")
        for name, count in (("rows", rows), ("per_group", per_group)):
            if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
                raise DataError(f"take(): {name} is {count!r}, and has to be a whole number of at least 1.")
        if self.taken is not None:
            raise DataError("take(): a part of this mix is taken already.", "Take from the whole mix.")
        if self.added:
            raise DataError("take(): other rows are added to this mix.", "Take first: Mix(...).take(...).add(...).")
        return self._with(taken=Taken(rows=rows, per_group=per_group))

    def add(self, *others: Mix | Rows | Dataset) -> Mix:
        """The mix with the rows of others among its own, as those stand; what is split or taken stays as it is.

        The whole is in one order, drawn by the same hash. A published file stands for the mix it is of, not for the whole.
        """
        odd = next((one for one in others if not isinstance(one, Mix | Rows | Dataset)), None)
        if odd is not None:
            raise DataError(f"Mix.add: {odd!r:.80} is no Mix, Rows or Dataset.")
        return self._with(added=(*self.added, *(one if isinstance(one, Mix) else Mix(one) for one in others)))

    @property
    def every_part(self) -> list[Rows]:
        """Its own parts, then those of the mixes added to it."""
        return [*self.parts, *(part for other in self.added for part in other.every_part)]

    def takes_all(self, scale: Scale) -> bool:
        """Whether so many rows are taken as the parts declare at that scale, so that it is the whole mix."""
        if self.taken is None or self.taken.per_group is not None:
            return self.taken is None
        return self.taken.rows is not None and self.taken.rows == self._with(taken=None, added=()).declared_rows(scale)

    def declared_rows(self, scale: Scale) -> int | None:
        """The number of rows at a scale, held-out ones left out; None where a part takes all it has, or a share."""
        counts = [part.count[scale] for part in self.parts]
        more = [other.declared_rows(scale) for other in self.added]
        if self.taken is not None and self.taken.rows is not None:
            counts = [self.taken.rows]
        elif self.taken is not None:
            return None
        elif self.divided is not None and None not in counts:
            held_out = self.divided.count[scale] or 0
            counts = [held_out if self.divided.side == "held_out" else _total(counts) - held_out]
        return None if None in counts + more else _total(counts + more)

    def _with(self, **changed: object) -> Mix:
        """The mix with other values of these attributes."""
        copy = Mix(*self.parts, file=self.file)
        for name in ("divided", "taken", "added"):
            object.__setattr__(copy, name, changed.get(name, getattr(self, name)))
        return copy

    def __len__(self) -> int:
        return _counter.get()(self)

    def declared(self, scale: Scale) -> dict[str, int | str]:
        """For people: how many rows of each dataset at that scale, or which share of the mix; "all" without a number."""
        rows: dict[str, int | str] = {}
        for part in self.parts:
            count, name = part.count[scale], part.dataset.name
            said = f"{part.portion:g} of the mix" if part.portion is not None else "all" if count is None else count
            rows[name] = f"{rows[name]} and {said}" if name in rows else said
        if self.divided is not None:
            rows["held out of them"] = self.divided.count[scale] or 0
        if self.taken is not None:
            limits = {"of each group at most": self.taken.per_group, "of those": self.taken.rows}
            rows |= {name: count for name, count in limits.items() if count is not None}
        for other in self.added:
            name = " + ".join(dict.fromkeys(part.dataset.name for part in other.every_part))
            partly = other.taken is not None or other.parts[0].portion is not None
            said = other.declared_rows(scale) or ("a part" if partly else "all")
            name = f"{name}, added"
            rows[name] = f"{rows[name]} and {said}" if name in rows else said
        return rows

    def published_rows(self) -> int | None:
        """Number of rows that the parts declare at full scale, held-out rows included; None if one takes all it has."""
        counts = [part.count["full"] for part in self.parts]
        return None if None in counts else _total(counts)


def _total(counts: Sequence[int | None]) -> int:
    return sum(count for count in counts if count)
