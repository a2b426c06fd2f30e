"""Where rows are at each scale: declarations only, read by `harness.data.reading.rows`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.errors import DataError

Scale = Literal["mini", "small", "full"]
SCALES: tuple[Scale, ...] = ("mini", "small", "full")
Row = dict[str, Any]  # one row of data by field, as its file has it or as it is trained on


def _no_session(wanted: object) -> int:
    raise DataError("a dataset has a length only within a session, which knows its scale.")


_counter: ContextVar[Callable[..., int]] = ContextVar("counter", default=_no_session)


def count_with(counter: Callable[..., int]) -> None:
    """Let `len(dataset)` ask the session, which knows the scale and remembers counts."""
    _counter.set(counter)


@dataclass(frozen=True, kw_only=True)
class Source:
    """How a source's rows become training rows.

    `prompt` and `completion` are format strings over a row's fields ("What is {title}?"), `text` names the
    field of plain text; without them the row's own format decides (see `harness.data.reading.formats`).
    """

    prompt: str | None = None
    completion: str | None = None
    text: str | None = None
    only: Mapping[str, str] = field(default_factory=dict)  # keep rows whose fields equal these
    require: tuple[str, ...] = ()  # leave out, and list, rows where one of these fields is null
    explode: str | None = None  # a field that lists objects: each becomes a row, over the fields beside it
    group: str | None = None  # the field that says which rows belong together; default: each text on its own
    keep: tuple[str, ...] = ()  # fields that stay with a training row, such as its citation
    min_chars: int = 0  # pass over rows with less text, such as headings
    max_chars: int | None = None  # pass over rows with more

    def __post_init__(self) -> None:
        for name in ("require", "keep"):
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, (getattr(self, name),))
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
    """A file below `--data-root`: .jsonl, .json (a list), or else text.

    A text holds documents set apart by `separator` (default: a blank line); it gives rows with one field, `text`.
    """

    path: str
    separator: str | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Hub(Source):
    """A dataset on the Hugging Face hub, at the revision recorded in `recipes/hub.lock.json`.

    Where `--data-root` holds `file` (default: `<id>/<split>.jsonl`), that is read instead.
    """

    id: str
    config: str | None = field(default=None, kw_only=True)
    split: str = field(default="train", kw_only=True)
    file: str | None = field(default=None, kw_only=True)

    @property
    def local(self) -> str:
        """The file that stands for the dataset below `--data-root`."""
        return self.file or f"{self.id}/{self.split}.jsonl"

    def __str__(self) -> str:
        return f"{self.id}:{self.split}"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Named rows, with one source per scale. The scale picks it; nothing falls through to another."""

    name: str
    mini: Source | None = None
    small: Source | None = None
    full: Source | None = None

    def source(self, scale: Scale) -> Source:
        """The source at `scale`; DataError where none is declared."""
        source: Source | None = getattr(self, scale)
        if source is None:
            has = [s for s in SCALES if getattr(self, s) is not None]
            raise DataError(
                f"dataset {self.name} has no {scale} source (it has: {', '.join(has) or 'none'}).",
                f"Declare Dataset({scale}=...), or choose another --scale.",
            )
        return source

    def rows(self, full: int | None = None, *, small: int | None = None, mini: int | None = None) -> Rows:
        """That many rows at each scale (None: all), picked by a stable hash, not by file order."""
        return Rows(self, count={"full": full, "small": small, "mini": mini})

    def share(self, share: float) -> Rows:
        """As many rows as make up `share` of a mix's characters."""
        if not 0 < share <= 1:
            raise DataError(f"dataset {self.name}: share {share} is not above 0 and at most 1.")
        return Rows(self, count=dict.fromkeys(SCALES), portion=share)

    def __len__(self) -> int:
        return _counter.get()(self.rows())


@dataclass(frozen=True)
class Rows:
    """Part of a dataset: by rank of a stable hash, `skip[scale]` rows passed over, then `count[scale]` taken."""

    dataset: Dataset
    count: Mapping[str, int | None]
    skip: Mapping[str, int] = field(default_factory=dict)
    portion: float | None = None

    def __post_init__(self) -> None:
        for scale, count in self.count.items():
            if count is not None and count < 1:
                raise DataError(f"dataset {self.dataset.name}: {count} rows at {scale} scale; ask for at least one.")

    def held_out(
        self, full: int, *, small: int | None = None, mini: int | None = None, of: Dataset | None = None
    ) -> Rows:
        """Rows beyond these: never trained on by whoever trains on these.

        `of` names a dataset that is kept apart at some scale; where it has the same source, rows are passed over.
        """
        of = self.dataset if of is None else of
        skip = {}
        for scale, count in self.count.items():
            if count is not None and getattr(of, scale) == getattr(self.dataset, scale):
                skip[scale] = self.skip.get(scale, 0) + count
        return Rows(of, {"full": full, "small": small, "mini": mini}, skip)

    def __len__(self) -> int:
        return _counter.get()(self)


@dataclass(frozen=True)
class Split:
    """One side of a mix, split by whole groups (see `Source.group`)."""

    side: Literal["train", "held_out"]
    count: Mapping[str, int | None]  # rows held out at each scale


@dataclass(frozen=True, init=False)
class Mix:
    """Several datasets trained on (or measured) together, in an order drawn by a stable hash.

    `file` names the published mix as one file: where it lies below `--data-root`, it stands for all parts at
    full scale.
    """

    parts: tuple[Rows, ...]
    divided: Split | None
    file: str | None

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
        object.__setattr__(self, "file", file)

    def split(self, full: int, *, small: int | None = None, mini: int | None = None) -> tuple[Mix, Mix]:
        """The rows to train on and that many held out, with no group of rows on both sides."""
        count = {"full": full, "small": small, "mini": mini}
        train, held_out = Mix(*self.parts, file=self.file), Mix(*self.parts, file=self.file)
        object.__setattr__(train, "divided", Split("train", count))
        object.__setattr__(held_out, "divided", Split("held_out", count))
        return train, held_out

    def __len__(self) -> int:
        return _counter.get()(self)

    def published_rows(self) -> int | None:
        """Rows at full scale as declared, held-out ones among them, or None where a part takes all it finds."""
        counts = [part.count["full"] for part in self.parts]
        return None if None in counts else sum(c for c in counts if c)
