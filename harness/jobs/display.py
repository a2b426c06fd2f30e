"""Running jobs for people: one bar each on a terminal, one line each every ten seconds in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from harness.jobs.job import Job

EVERY = 10.0  # seconds between lines where there is no terminal


def show(running: Callable[[], list[Job]], done: Callable[[], bool], stream: TextIO) -> None:
    """Show the running jobs until `done`."""
    if stream.isatty():
        _bars(running, done, stream)
    else:
        _lines(running, done, stream)


def _bars(running: Callable[[], list[Job]], done: Callable[[], bool], stream: TextIO) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[words]}"))
    stream.write("\n")
    with Progress(*columns, console=Console(file=stream), transient=True) as bars:
        tasks: dict[Job, int] = {}
        while not done():
            jobs = running()
            for job in jobs:
                progress = job.progress()
                if job not in tasks:
                    tasks[job] = bars.add_task(f"{job.name} on {job.place}", words="")
                bars.update(tasks[job], completed=progress.done, total=progress.total or None, words=progress.words)  # type: ignore[arg-type]
            for job in [job for job in tasks if job not in jobs]:
                bars.remove_task(tasks.pop(job))  # type: ignore[arg-type]
            time.sleep(0.1)


def _lines(running: Callable[[], list[Job]], done: Callable[[], bool], stream: TextIO) -> None:
    last = time.monotonic() - EVERY + 2
    begun = False
    while not done():
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            for job in running():
                progress = job.progress()
                share = f"{progress.done}/{progress.total} " if progress.total else ""
                stream.write(("" if begun else "\n") + f"  {job.name} on {job.place}: {share}{progress.words}\n")
                begun = True
            stream.flush()
        time.sleep(0.05)
