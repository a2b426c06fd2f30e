"""The commands together; exit status 2 and one message for wrong use or input."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from harness.cli import begin, curricula, history, models, plans, rate, results, ship, sweeps, written
from harness.cli.data import data_app
from harness.cli.store import store_app
from harness.errors import HarnessError

ABOUT = "A project's files; what is planned, stored, different and judged. Run inside a project's folder."
COMMANDS = (
    begin.init, plans.plan, plans.why, plans.status, plans.tone, results.compare, results.gate, results.rescore, results.report, ship.ship, sweeps.sweep, curricula.curriculum,
    history.history,
    models.chat, models.export, models.serve, rate.rate,
)  # fmt: skip

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=ABOUT)
app.add_typer(begin.new_app, name="new")
app.add_typer(begin.add_app, name="add")
app.add_typer(results.results_app, name="results")
app.add_typer(results.baseline_app, name="baseline")
app.add_typer(store_app, name="store")
for writes in (written.generate, written.paraphrase):
    data_app.command()(writes)
app.add_typer(data_app, name="data")
for command in COMMANDS:
    app.command()(command)


def print_version(wanted: bool) -> None:
    if wanted:
        print(f"harness {version('harness')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What every command has."""


def main() -> None:
    """Run the command."""
    try:
        app(standalone_mode=True)
    except HarnessError as error:
        print(error.message, file=sys.stderr)
        raise SystemExit(2) from None
