"""What the commands share: the project's bench, subjects by name, options that mean the same, tables or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.session.bench import Bench, open_store
from harness.project.declared import find_root
from harness.errors import HarnessError
from harness.session.options import Options
from harness.recipe import Subject

Scale = Annotated[str, typer.Option("--scale", help="mini, small or full")]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="where real data files lie")]
StoreDir = Annotated[Path | None, typer.Option("--store", help="default: .bench/store")]
Results = Annotated[Path | None, typer.Option("--results", help="default: .bench/results.duckdb")]
ManyResults = Annotated[
    list[Path] | None, typer.Option("--results", help="default: .bench/results.duckdb; repeatable: read as one")
]
Baseline = Annotated[str | None, typer.Option("--baseline", help="judge guarded metrics against that baseline too")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON value on stdout, nothing else")]
Gpu = Annotated[str | None, typer.Option("--gpu", help="the devices that evaluations were made on")]


def open_bench(
    scale: str = "mini",
    data_root: Path | None = None,
    store: Path | None = None,
    gpu: str | None = None,
    baseline: str | None = None,
    seeds: int = 1,
) -> Bench:
    """The project's bench, without training."""
    if scale not in ("mini", "small", "full"):
        raise HarnessError(f"--scale {scale}: there is no such scale.", "Choose mini, small or full.")
    if data_root is not None and not data_root.is_dir():
        raise HarnessError(f"--data-root {data_root}: no such folder.")
    root = find_root(Path.cwd())
    options = Options(
        scale=scale,  # type: ignore[arg-type]
        devices=("cuda:0",) if gpu is not None else ("cpu",),
        data_root=data_root.resolve() if data_root else None,
        train=False,
        baseline=baseline,
        seeds=seeds,
    )
    bench = Bench.open(root, open_store(store or root / ".bench" / "store"), options)
    return bench


def chosen(bench: Bench, name: str) -> list[Subject]:
    """Subjects by recipe ('wiki_only') or id ('wiki_only-mini')."""
    found = [s for s in bench.subjects() if name in (s.recipe.name, s.id)]
    if not found:
        known = ", ".join(s.id for s in bench.subjects())
        raise HarnessError(f"there is no recipe or variant {name!r} at {bench.options.scale} scale (there: {known}).")
    return found


def results_file(results: Path | None) -> Path:
    """The results file, given or the project's own."""
    return results or find_root(Path.cwd()) / ".bench" / "results.duckdb"


@contextmanager
def reading(results: list[Path] | None) -> Iterator[Any]:
    """A read-only connection to the results file, or to several as one."""
    from harness import warehouse

    paths = results or [results_file(None)]
    opened = warehouse.connect(paths[0], read_only=True) if len(paths) == 1 else warehouse.combined(paths)
    with opened as connection:
        yield connection


# ---- printing -----------------------------------------------------------------------------------------


def show(
    rows: list[dict[str, Any]], columns: dict[str, str], as_json: bool, shown: dict[str, Any] | None = None
) -> None:
    """Rows as JSON, or as a table of the named columns."""
    if as_json:
        return print_json(rows)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns.values():
        table.add_column(name, overflow="fold")
    for row in rows:
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
