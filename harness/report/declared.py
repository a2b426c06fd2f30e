"""What a project shows: a `Report` of sections, as a value in a file of `reports/`. No result is read here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from harness.errors import ReportError

Mark = Literal["point", "line", "bar", "area", "tick"]
MARKS: tuple[Mark, ...] = get_args(Mark)


@dataclass(frozen=True)
class Section:
    """A part of a report; left out where there is nothing to show in it."""

    template: ClassVar[str]  # its file in templates/sections/, without the ending
    anchor: ClassVar[str]  # its address on the page
    label: ClassVar[str]  # its name among the links


@dataclass(frozen=True)
class Ship(Section):
    """Whether each subject can be shipped, by its own claims under the questions that a team asks."""

    template, anchor, label = "ship", "ship", "Ship or not"


@dataclass(frozen=True)
class Verdicts(Section):
    """Every claim with its numbers, its paragraph and its loudest samples."""

    template, anchor, label = "verdicts", "claims", "Claims"


@dataclass(frozen=True)
class FirstLook(Section):
    """The answers of the suites `first_look` and `first_look_improved`, side by side."""

    template, anchor, label = "first_look", "first-look", "A first look"


@dataclass(frozen=True)
class Matrix(Section):
    """All metrics of all subjects with their intervals, floors drawn as lines."""

    template, anchor, label = "matrix", "results", "Results"


@dataclass(frozen=True)
class Ranking(Section):
    """The subjects in the order of each metric, with a place as far as intervals tell them apart."""

    template, anchor, label = "ranking", "ranking", "Ranking"


@dataclass(frozen=True)
class Sweeps(Section):
    """The settings of each sweep, which one is chosen, and the curve over them."""

    template, anchor, label = "sweeps", "sweeps", "Sweeps"


@dataclass(frozen=True)
class Curricula(Section):
    """What each lesson of a curriculum did to what was taught before."""

    template, anchor, label = "curricula", "curricula", "Continual learning"


@dataclass(frozen=True)
class Ratings(Section):
    """What people said of answers: who is preferred, and how far they agree."""

    template, anchor, label = "ratings", "ratings", "What people say"


@dataclass(frozen=True)
class Contamination(Section):
    """What training rows share with evaluation items, and scores without those."""

    template, anchor, label = "contamination", "contamination", "Contamination"


@dataclass(frozen=True)
class Seeds(Section):
    """The spread between training seeds beside the sampling error."""

    template, anchor, label = "seeds", "seeds", "Seeds"


@dataclass(frozen=True)
class History(Section):
    """Scores over past runs with their commits."""

    template, anchor, label = "history", "history", "History"


@dataclass(frozen=True)
class Cost(Section):
    """What each subject took in time, tokens, memory and energy, and who is unbeaten for the time spent."""

    template, anchor, label = "cost", "cost", "Cost"


@dataclass(frozen=True)
class Training(Section):
    """Loss curves."""

    template, anchor, label = "training", "training", "Training"


@dataclass(frozen=True)
class Lineage(Section):
    """Every subject as declared and as trained, down to the digests of its data."""

    template, anchor, label = "lineage", "lineage", "Lineage"


@dataclass(frozen=True)
class Samples(Section):
    """The browser of all answers."""

    template, anchor, label = "samples", "samples", "Samples"


@dataclass(frozen=True)
class Table(Section):
    """The rows of one SELECT on the results file.

    `$run` stands for the id of the run reported on, `$runs` and `$subjects` for lists of all that the report is about.
    """

    title: str
    sql: str = field(kw_only=True)
    template: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        if not self.title.strip() or not self.sql.strip():
            raise ReportError(f"{type(self).__name__}({self.title!r}): give it a title and an SQL query.")


@dataclass(frozen=True)
class Chart(Section):
    """The rows of one SELECT, drawn by Altair: `encode` gives a channel's column, as in `{"x": "step:Q"}`."""

    title: str
    sql: str = field(kw_only=True)
    encode: Mapping[str, str] = field(kw_only=True)
    mark: Mark = field(default="point", kw_only=True)
    template: ClassVar[str] = "chart"

    def __post_init__(self) -> None:
        if not self.title.strip() or not self.sql.strip():
            raise ReportError(f"{type(self).__name__}({self.title!r}): give it a title and an SQL query.")
        if self.mark not in MARKS:
            known = f"{', '.join(MARKS[:-1])} or {MARKS[-1]}"
            raise ReportError(f"Chart({self.title!r}): there is no mark {self.mark!r}.", f"Choose {known}.")
        columns = self.encode.values() if isinstance(self.encode, Mapping) else ()
        if not columns or not all(isinstance(column, str) for column in columns):
            problem = f"{self.encode!r}, not columns by channel" if self.encode else "empty"
            raise ReportError(
                f"Chart({self.title!r}): encode is {problem}.", 'Give channels: encode={"x": "step:Q", ...}.'
            )


ALL: tuple[Section, ...] = (
    Ship(), Verdicts(), FirstLook(), Matrix(), Ranking(), Sweeps(), Curricula(), Ratings(), Contamination(), Seeds(), History(), Cost(), Training(),
    Lineage(), Samples(),
)  # fmt: skip
NAME = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Report:
    """Sections in their order, written as `NAME.html` and `NAME.md` after each session.

    The report named "report" is also printed in the terminal; a project that declares none gets it with all sections.
    """

    name: str
    sections: Sequence[Section] = field(kw_only=True, default=ALL)
    title: str = field(kw_only=True, default="Fine-tuning report")

    def __post_init__(self) -> None:
        if not isinstance(self.sections, Iterable):
            problem = f"report {self.name}: sections is {self.sections!r}, not a list of sections."
            raise ReportError(problem, "Write sections=[Verdicts(), ...].")
        object.__setattr__(self, "sections", tuple(self.sections))
        if not NAME.fullmatch(self.name):
            raise ReportError(f"Report {self.name!r}: the name is also a file's; use letters, digits, - and _.")
        wrong = next((section for section in self.sections if not isinstance(section, Section)), None)
        if wrong is not None:
            raise ReportError(f"report {self.name}: {wrong!r} is no section.", "Sections are values: Verdicts().")
        titles = [section.title for section in self.sections if isinstance(section, Table | Chart)]
        plain = [type(section).__name__ for section in self.sections if not isinstance(section, Table | Chart)]
        twice = next((name for names in (titles, plain) for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ReportError(f"report {self.name}: the section {twice!r} stands in it twice.", "Drop one.")

    def has(self, kind: type[Section]) -> bool:
        """Whether a section of that kind is shown."""
        return any(isinstance(section, kind) for section in self.sections)

    @property
    def queries(self) -> list[Table | Chart]:
        """The sections with a query of their own."""
        return [section for section in self.sections if isinstance(section, Table | Chart)]


DEFAULT = Report("report")


def with_default(declared: Sequence[Report]) -> list[Report]:
    """The reports of a project, first the one named "report": its own, or the default one.

    ReportError where two have one name.
    """
    names = [report.name for report in declared]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ReportError(f"report {twice!r} is declared twice.", "Give each its own name.")
    own = next((report for report in declared if report.name == DEFAULT.name), DEFAULT)
    return [own, *(report for report in declared if report.name != DEFAULT.name)]
