"""Content -> one self-contained HTML file: it makes no request, and no script within a sample runs."""

import base64
import hashlib
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2
import jinja2.bccache
from markupsafe import Markup, escape

from harness.errors import ReportError
from harness.files import SHORT, Json, cache_folder, written_whole
from harness.report import charts, cost, history, ranking, tables, trends, versions, words
from harness.report.browser_data import Browsable, browsable
from harness.report.content import CUSTOMARY, Checkpoint, Content, Gate
from harness.report.curricula import taught
from harness.report.custom import Queried
from harness.report.declared import (
    DEFAULT,
    Chart,
    Contamination,
    Cost,
    Curricula,
    FirstLook,
    History,
    Lineage,
    Matrix,
    Ranking,
    Ratings,
    Report,
    Samples,
    Section,
    Seeds,
    Ship,
    Sweeps,
    Table,
    Training,
    Verdicts,
)
from harness.report.letters import packed
from harness.report.ratings import rated
from harness.report.sweeps import sweep_chart, swept

Found = dict[str, Queried]  # by title of the section
TEMPLATES = Path(__file__).parent / "templates"
MOST_BYTES = 3_000_000  # of the whole file
SCRIPTS = ("unpack.js", "differing.js", "reach.js", "browser.js")  # one after the other in one element
LEAST_BROWSER_BYTES = 200_000
FIRST_LOOK_TEXT = 700  # characters of one answer
FIRST_LOOK_BYTES = 900_000  # of all answers of the first look together
OPEN_PROMPTS = 3  # of the first look; the others open on a click


@dataclass(frozen=True)
class Shown:
    """A section as the page has it."""

    template: str
    anchor: str
    label: str
    found: Queried | None = None  # of a section with a query of its own
    svg: Markup | None = None


def write_html(content: Content, path: Path, report: Report = DEFAULT, found: Found | None = None) -> None:
    """Write the page to path, at most MOST_BYTES for any number of samples; `found` are the rows of its own queries."""
    page = _page(content, report, found or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _page(content: Content, report: Report, found: Found) -> str:
    script = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    values = _values(content, report)
    values |= {
        "title": report.title,
        "sections": _sections(content, report, values, found),
        "style": Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        "script": Markup(script),
        "letters": Markup,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    template = _environment().get_template("page.html")
    if not report.has(Samples):
        return template.render(values, browser=None, shows=lambda gate, sample_id: False)
    empty = Browsable(packed(b""), packed(b""))
    rest = len(template.render(values, browser=empty, shows=lambda gate, sample_id: True).encode())
    held = browsable(content, max(LEAST_BROWSER_BYTES, MOST_BYTES - rest - 1_000))
    return template.render(values, browser=held, shows=held.shows)


class _Compiled(jinja2.BytecodeCache):
    """Keeps compiled templates, which take as long to make as the rest of a page; does nothing where it cannot write.

    They lie in a folder for each version of Jinja and of this file, whose options they are compiled with, each behind
    its SHA-256.
    """

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        with suppress(OSError, RuntimeError):
            kept, _, code = self._place(bucket).read_bytes().partition(b"\n")
            if kept == hashlib.sha256(code).hexdigest().encode():
                bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        code = bucket.bytecode_to_string()
        with suppress(OSError, RuntimeError):
            place = self._place(bucket)
            place.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(place) as path:
                path.write_bytes(hashlib.sha256(code).hexdigest().encode() + b"\n" + code)

    def _place(self, bucket: jinja2.bccache.Bucket) -> Path:
        made_by = hashlib.sha256(f"{jinja2.__version__} {sys.version}".encode() + Path(__file__).read_bytes())
        return cache_folder() / "templates" / made_by.hexdigest()[:SHORT] / bucket.key


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        bytecode_cache=_Compiled(),
        trim_blocks=True, lstrip_blocks=True,
        finalize=lambda value: words.visible(value) if type(value) is str else value,
    )  # fmt: skip
    environment.filters["linked"] = linked
    environment.globals |= {"words": words, "tables": tables, "cost": cost, "ranking": ranking, "versions": versions}
    environment.globals["change_line"] = history.change_line
    return environment


def _values(content: Content, report: Report) -> Json:
    """Values for the sections' templates; charts are drawn only for sections that the report has."""
    histories = history.histories(content) if report.has(History) else []
    drawn = [(one, trends.history_chart(one)) for one in histories if one.changed]
    paretos = cost.paretos(content) if report.has(Cost) else []
    return {
        "content": content,
        "forests": _forests(content) if report.has(Verdicts) else [],
        "metric_charts": _metric_charts(content) if report.has(Matrix) else {},
        "curves": _curves(content) if report.has(Training) else [],
        "history_charts": [{"history": one, "svg": Markup(svg)} for one, svg in drawn if svg],
        "unchanged_line": history.unchanged_line(histories),
        "pareto_charts": [{"pareto": one, "svg": Markup(trends.pareto_chart(one))} for one in paretos],
        "curricula": taught(content),
        "rated": rated(content) if report.has(Ratings) else [],
        "sweeps": _sweeps(content) if report.has(Sweeps) else [],
        "rankings": ranking.rankings(content) if report.has(Ranking) else [],
        "first_look": tables.first_look(content),
        "first_look_text": _first_look_text(content),
        "open_prompts": OPEN_PROMPTS,
    }


def _sections(content: Content, report: Report, values: Json, found: Found) -> list[Shown]:
    """The report's sections in which there is something to show, and the run itself."""
    there: dict[type[Section], object] = {
        Ship: tables.shipping(content),
        Verdicts: content.gates,
        FirstLook: values["first_look"],
        Ranking: values["rankings"],
        Sweeps: content.swept,
        Curricula: content.lessons,
        Ratings: values["rated"],
        Contamination: tables.contamination(content),
        Seeds: tables.seeds(content),
        History: values["history_charts"] or values["unchanged_line"],
        Cost: cost.costs(content) or cost.spared(content),
        Training: values["curves"],
        Lineage: content.subjects,
    }
    shown = []
    for place, section in enumerate(report.sections):
        if isinstance(section, Table | Chart):
            shown.append(_own(section, f"own-{place + 1}", found[section.title]))
        elif there.get(type(section), True):
            shown.append(Shown(section.template, section.anchor, section.label))
    return [*shown, Shown("run", "run", "The runs" if len(content.runs) > 1 else "The run")]


def _own(section: Table | Chart, anchor: str, found: Queried) -> Shown:
    """A section with a query of its own; a chart that cannot be drawn says why, above its rows."""
    if not isinstance(section, Chart) or found.problem or not found.rows:
        return Shown(section.template, anchor, section.title, found)
    from harness.report.own_chart import own_chart  # slow to load

    try:
        drawn = own_chart(section.mark, section.encode, found.columns, found.rows)
    except ReportError as error:
        return Shown(
            section.template, anchor, section.title, replace(found, problem=f"Chart {section.title!r}: {error}")
        )
    return Shown(section.template, anchor, section.title, found, Markup(drawn))


def linked(gate: Gate, shows: Callable[[Gate, str], bool]) -> Markup:
    """The claim's message, in which each sample that the page holds leads there."""
    message = words.visible(gate.message or "")
    ids = sorted((loud.sample_id for loud in gate.loudest if shows(gate, loud.sample_id)), key=len, reverse=True)
    if not ids:
        return escape(message)
    pieces = re.split(rf"(?<![\w-])({'|'.join(map(re.escape, ids))})(?![\w-])", message)
    link = Markup('<a href="{}">{}</a>')
    return Markup("").join(
        link.format(tables.sample_address(gate, piece), piece) if place % 2 else piece
        for place, piece in enumerate(pieces)
    )


def _first_look_text(content: Content) -> int:
    """Characters to show of one answer, fewer where subjects and prompts are many."""
    look = tables.first_look(content)
    answers = sum(2 * len(prompt.answers) for prompt in look)
    return min(FIRST_LOOK_TEXT, max(120, FIRST_LOOK_BYTES // (4 * answers))) if answers else FIRST_LOOK_TEXT


def _forests(content: Content) -> list[dict]:
    groups = tables.gates_by_metric(content)
    drawn = [
        {"suite": suite, "metric": metric, "threshold": threshold, "gates": gates, "svg": charts.forest_chart(gates)}
        for (suite, metric, threshold), gates in groups.items()
    ]
    return [chart | {"svg": Markup(chart["svg"])} for chart in drawn if chart["svg"]]


def _sweeps(content: Content) -> list[dict]:
    return [{"swept": one, "svg": Markup(svg) if (svg := sweep_chart(one)) else ""} for one in swept(content)]


def _metric_charts(content: Content) -> dict[str, list[dict]]:
    """Charts of each suite's customary metrics; of all where it has none of these. The matrix has them all."""
    found: dict[str, list[dict]] = {}
    for suite, rows in tables.matrix(content).items():
        for row in [row for row in rows if row.metric in CUSTOMARY] or rows:
            svg = charts.metric_chart(content, suite, row.metric)
            if svg:
                found.setdefault(suite, []).append({"metric": row.metric, "svg": Markup(svg)})
    return found


def _curves(content: Content) -> list[dict]:
    """One curve per trained checkpoint, named after the subjects that depend on it."""
    users: dict[str, list[str]] = {}
    checkpoints: dict[str, Checkpoint] = {}
    places: dict[str, int] = {}  # which stage of its lineage it is
    for subject in content.subjects:
        for place, checkpoint in enumerate(subject.lineage, start=1):
            checkpoints[checkpoint.fingerprint] = checkpoint
            places[checkpoint.fingerprint] = place
            users.setdefault(checkpoint.fingerprint, []).append(subject.name)
    drawn = [(key, checkpoint, charts.curve_chart(checkpoint)) for key, checkpoint in checkpoints.items()]
    return [
        {"checkpoint": checkpoint, "place": places[key], "subjects": users[key], "svg": Markup(svg)}
        for key, checkpoint, svg in drawn
        if svg
    ]
