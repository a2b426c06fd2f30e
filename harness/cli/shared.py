"""Shared by several commands: common options, the project opened without training, output as a table or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from harness.files import Json
from harness.project import find_root
from harness.session.options import Options, checked_data_root, checked_scale, repeated
from harness.session.settings import settings_of
from harness.session.setup import Setup, open_setup, store_of
from harness.store import Store

Scale = Annotated[
    str | None, typer.Option("--scale", help="tiny, mini, small or full; default: the project's, else mini")
]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="where real data files lie")]
StoreDir = Annotated[
    str | None,
    typer.Option("--store", metavar="<path or URL>", help="a folder or an fsspec URL; default: .bench/store"),
]
Results = Annotated[Path | None, typer.Option("--results", help="default: .bench/results.duckdb")]
ManyResults = Annotated[
    list[Path] | None, typer.Option("--results", help="default: .bench/results.duckdb; repeatable: read as one")
]
Baseline = Annotated[str | None, typer.Option("--baseline", help="judge guarded metrics against that baseline too")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON value on stdout, nothing else")]
Gpu = Annotated[str | None, typer.Option("--gpu", help="the devices that evaluations were made on")]
Exact = Annotated[bool, typer.Option("--exact", help="evaluations that were made with --exact")]


class Made(NamedTuple):
    """How the evaluations were made that a command reads."""

    gpu: str | None = None
    exact: bool = False


def opened(
    scale: str | None = None,
    data_root: Path | None = None,
    store: str | None = None,
    made: Made | None = None,
    baseline: str | None = None,
    seeds: int = 1,
) -> Setup:
    """The project that the current folder is in, opened without training."""
    root = find_root(Path.cwd())
    settings = settings_of(root)
    gpu, exact = made or Made()
    options = Options(
        scale=checked_scale(scale or settings.scale or "mini"),
        devices=("cuda:0",) if gpu is not None else ("cpu",),
        data_root=checked_data_root(data_root) or settings.data_root,
        train=False,
        baseline=baseline,
        seeds=seeds,
        exact=exact,
        tasks=settings.tasks,
        typed=repeated({"--gpu": gpu, "--exact": exact, "--data-root": data_root, "--store": store}),
    )
    return open_setup(root, store_of(root, store), options)


def note(text: str) -> None:
    """A note beside the results, on stderr."""
    print(f"note: {text}", file=sys.stderr)


def opened_store(store: str | None) -> Store:
    """The store alone, for commands that need no recipe."""
    return store_of(find_root(Path.cwd()) if store is None else Path.cwd(), store)


def results_file(results: Path | None) -> Path:
    """The results file, given or the project's own."""
    return results or settings_of(find_root(Path.cwd())).results


def reports_folder(results: Path | None) -> Path:
    """Where sessions that write to that results file, or to the project's own, put their reports."""
    return results_file(results).parent / "reports"


@contextmanager
def reading(results: list[Path] | None) -> Iterator[Any]:
    """A read-only connection to the results file, or to several as one."""
    from harness import warehouse

    paths = results or [results_file(None)]
    connected = warehouse.connect(paths[0], read_only=True) if len(paths) == 1 else warehouse.combined(paths)
    with connected as connection:
        yield connection


# ---- printing -----------------------------------------------------------------------------------------


def show(
    rows: Iterable[Any],
    columns: Mapping[str, str],
    as_json: bool,
    shown: Mapping[str, Callable[[Any], str]] | None = None,
) -> None:
    """Rows, dataclasses or objects, as JSON, or as a table of the named columns."""
    found: list[Json] = [asdict(row) if is_dataclass(row) and not isinstance(row, type) else row for row in rows]
    if as_json:
        return print_json(found)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns.values():
        table.add_column(name, overflow="fold")
    for row in found:
        table.add_row(*(Text((shown or {}).get(name, _cell)(row.get(name))) for name in columns))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def gib(size: int | None) -> str:
    return "–" if size is None else f"{size / 2**30:.1f} GiB"


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1, default=str))
