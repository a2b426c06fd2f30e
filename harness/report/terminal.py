"""Content -> the terminal: verdicts first, then every metric of every subject, in any width."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report import cost, tables, words
from harness.report.content import Content, Gate, Metric
from harness.report.curricula import taught
from harness.report.custom import Queried
from harness.report.declared import DEFAULT, Cost, Curricula, Matrix, Ratings, Report, Seeds, Sweeps, Verdicts
from harness.report.ratings import rated
from harness.report.sweeps import swept

OWN_ROWS = 12  # of a table that a project declares
STYLES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow", "skipped": "dim"}
NARROW = 90  # columns, below which claims stand as paragraphs
CELL_WIDTH = 18  # columns of one subject
METRIC_WIDTH = 24
MATTER_MOST = (
    "training", "measuring", "energy", "samples", "peak memory", "tokens/s", "tokens", "samples/s", "energy, measuring",
    "peak memory, measuring",
)  # fmt: skip


def print_terminal(
    content: Content, console: Console, report: Report = DEFAULT, found: Mapping[str, Queried] | None = None
) -> None:
    """Print the report's first sentence, then of its sections those that a terminal can show, and its run line."""
    console.print(Text(words.headline(content), style="bold"))
    if report.has(Verdicts):
        _print_claims(content.gates, console)
    if report.has(Matrix):
        _print_matrix(content, console)
        if words.cut_line(content):
            console.print(_text(words.cut_line(content), style="dim"))
    for sweep in swept(content) if report.has(Sweeps) else ():
        console.print()
        console.print(_text(f"{sweep.sweep} at {sweep.size}: {sweep.first.conclusion}"))
    for one in taught(content) if report.has(Curricula) else ():
        console.print()
        console.print(_text(f"{one.curriculum} at {one.size}: {one.conclusion}"))
    for said in rated(content) if report.has(Ratings) else ():
        console.print()
        console.print(_text(said.sentence))
    titled = [
        ("cost", _costs(content, console.width) if report.has(Cost) else None),
        ("what an answer costs", _answers(content) if report.has(Cost) else None),
        ("seeds", _seeds(content) if report.has(Seeds) else None),
        *((section.title, _own(found, section.title)) for section in report.queries),
    ]
    for title, table in titled:
        if table is not None and table.row_count:
            console.print()
            console.print(_text(title, style="bold"))
            console.print(table)
    if report.has(Cost) and cost.spared_line(content):
        console.print()
        console.print(_text(cost.spared_line(content)))
    console.print()
    console.print(_text(words.run_line(content.runs), style="dim"))


def _print_claims(gates: tuple[Gate, ...], console: Console) -> None:
    if gates and console.width >= NARROW:
        console.print(_claims(gates))
    else:
        for gate in gates:
            console.print(_paragraph(gate))
    for gate in gates:
        if gate.verdict in ("fail", "inconclusive") and gate.message:
            console.print()
            console.print(_text(f"{gate.gate}: {gate.message}"))


def _print_matrix(content: Content, console: Console) -> None:
    rows = tables.matrix(content)
    if not rows:
        console.print(Text("Nothing was measured.", style="dim"))
        return
    fitting = max(1, (console.width - METRIC_WIDTH) // (CELL_WIDTH + 2))
    for first in range(0, len(content.subjects), fitting):
        console.print()
        console.print(_metrics(content, rows, first, fitting))


def _own(found: Mapping[str, Queried] | None, title: str) -> Table | None:
    """The first rows of a section with a query of its own."""
    one = (found or {}).get(title)
    if one is None or one.problem:
        return None
    table = _table(list(one.columns))
    for row in one.rows[:OWN_ROWS]:
        table.add_row(*(_text(words.cell(value)) for value in row))
    return table


def _text(text: str, style: str = "") -> Text:
    """The text without markup or control characters."""
    return Text(words.visible(text), style=style)


def _verdict(gate: Gate) -> Text:
    symbol, word = words.VERDICTS.get(gate.verdict, ("?", gate.verdict))
    return Text(f"{symbol} {word}", style=STYLES.get(gate.verdict, ""))


def _claims(gates: tuple[Gate, ...]) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    table.add_column("verdict", no_wrap=True)
    table.add_column("claim", ratio=1)
    for name in ("subject", "reference", "difference"):
        table.add_column(name, justify="right", no_wrap=name != "difference")
    for gate in gates:
        table.add_row(
            _verdict(gate), _text(f"{gate.subject}: {gate.claim}"), words.number(gate.candidate),
            words.number(gate.baseline), _text(_difference(gate)),
        )  # fmt: skip
    return table


def _difference(gate: Gate) -> str:
    span = words.interval(gate.low, gate.high, words.signed)
    return f"{words.signed(gate.estimate)} ({span})" if span else words.signed(gate.estimate)


def _paragraph(gate: Gate) -> Text:
    text = _verdict(gate) + _text(f"  {gate.subject}: {gate.claim}\n")
    return text + _text(
        f"  {words.number(gate.candidate)} against {words.number(gate.baseline)}, difference {_difference(gate)}"
    )


def _metrics(content: Content, rows: dict[str, list[tables.MatrixRow]], first: int, fitting: int) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    table.add_column("metric", overflow="fold")
    for subject in content.subjects[first : first + fitting]:
        table.add_column(_text(subject.name), justify="right", overflow="fold")
    for suite, metrics in rows.items():
        table.add_row(Text(suite, style="bold"))
        for row in metrics:
            table.add_row(
                f"  {row.metric} {words.arrow(content, suite, row.metric)}".rstrip(),
                *(_cell(cell) for cell in row.cells[first : first + fitting]),
            )
    return table


def _costs(content: Content, width: int) -> Table:
    """As many columns of the cost as fit, those that matter most."""
    columns, rows = cost.cost_table(content)
    cells = {name: [row[place] for row in rows] for place, name in enumerate(["subject", *columns])}
    shown: list[str] = []
    for name in ("subject", *MATTER_MOST):
        wide = [max(map(len, [each, *cells[each]])) + 2 for each in [*shown, name] if each in cells]
        if name in cells and (sum(wide) <= width or len(shown) < 2):
            shown.append(name)
    shown = [name for name in cells if name in shown]
    table = _table(shown)
    for place in range(len(rows)):
        table.add_row(*(_text(cells[name][place]) for name in shown))
    return table


def _answers(content: Content) -> Table:
    """What an answer took where some subjects look things up."""
    columns, rows = cost.answer_table(content)
    table = _table(["subject", *columns])
    for row in rows:
        table.add_row(*map(_text, row))
    return table


def _seeds(content: Content) -> Table:
    """The spread between training seeds beside the sampling error within one."""
    table = _table(["recipe, suite, metric", "mean", "between seeds", "sampling"])
    for row in tables.seeds(content):
        table.add_row(
            _text(f"{row.recipe} {row.suite} {row.metric}, {len(row.estimates)} seeds"), words.number(row.mean),
            words.number(row.seed_spread), words.number(row.sampling_error),
        )  # fmt: skip
    return table


def _table(columns: list[str]) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for place, name in enumerate(columns):
        table.add_column(_text(name), justify="right" if place else "left", overflow="fold")
    return table


def _cell(metric: Metric | None) -> Text:
    if metric is None:
        return Text(words.MISSING, style="dim")
    span = words.interval(metric.low, metric.high)
    return Text(words.number(metric.estimate)) + Text(f"\n{span}" if span else "", style="dim")
