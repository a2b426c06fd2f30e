"""The command line: the options, and one session where pytest-xdist would make several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.plugin import is_project

ONE_SESSION = pytest.StashKey[str]()  # the line that says that -n is not used


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("harness", "fine-tuning experiments")
    _add_machines(group)
    group.addoption(
        "--scale", metavar="tiny|mini|small|full", help="which variants (default: full with --gpu, else mini)"
    )
    group.addoption("--data-root", metavar="DIR", help="where real data files lie")
    group.addoption("--skip-bad-rows", action="store_true", help="list and leave out rows that cannot be read")
    group.addoption(
        "--store", metavar="DIR|URL",
        help="where checkpoints and evaluations are kept: a folder, or a URL such as s3://bucket/prefix (default: .bench/store)",
    )  # fmt: skip
    group.addoption("--results", metavar="FILE", help="the DuckDB file (default: .bench/results.duckdb)")
    group.addoption("--no-train", action="store_true", help="judge what is stored; train and measure nothing")
    group.addoption("--retrain", action="store_true", help="train the selected recipes again")
    group.addoption("--reevaluate", action="store_true", help="measure the selected suites again")
    group.addoption("--seeds", type=int, default=1, metavar="N", help="train each recipe with N seeds")
    group.addoption("--baseline", metavar="NAME", help="judge guarded metrics against that baseline: no worse")
    group.addoption("--strict-gates", action="store_true", help="an inconclusive gate fails")
    group.addoption(
        "--adaptive",
        action="store_true",
        help="stop a suite once its gates are decided, and the worse half of a sweep's settings",
    )
    group.addoption(
        "--model",
        action="append",
        default=[],
        metavar="PATH|HUB_ID|openai:NAME",
        help="measure an existing model: a folder, a .gguf file, a hub id, or a server's; repeatable",
    )
    group.addoption("--endpoint", metavar="URL", help="the server of --model openai:NAME: http://localhost:8000/v1")
    group.addoption(
        "--tasks",
        metavar="a,b:fewshot=5,chat=true",
        help="measure by these tasks of lm-eval too: names, or task files (.yaml), each with its settings",
    )
    group.addoption(
        "--exact", action="store_true", help="on a GPU: measure in float32, in batches that free memory does not change"
    )
    group.addoption("--limit", type=int, metavar="N", help="ask the first N samples of each suite, drawn by digest")
    group.addoption("--track", metavar="wandb|tensorboard|mlflow", help="hand training logs to that tracker")


def _add_machines(group: pytest.OptionGroup) -> None:
    """What is trained and measured on."""
    group.addoption(
        "--gpu", metavar="0[,1,...]", help="CUDA devices to train and measure on; of a cluster, all (default: the CPU)"
    )
    group.addoption(
        "--gpus-per-job", type=int, metavar="N",
        help="GPUs that train one model together, or processes on the CPU (default: as each variant says)",
    )  # fmt: skip
    group.addoption(
        "--executor", metavar="local|ray|ray://HOST:PORT",
        help="where jobs run: this machine, or a Ray cluster (default: local)",
    )  # fmt: skip


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Iterator[Any]:
    """Where suites are asked for, take back pytest-xdist's `-n`: this session runs its jobs side by side itself."""
    given = getattr(config.option, "numprocesses", None) or getattr(config.option, "tx", None)
    if given and is_project(config.rootpath) and _reaches_suites(config):
        config.option.numprocesses, config.option.tx, config.option.dist = None, [], "no"
        config.stash[ONE_SESSION] = "harness: -n is not used: one session shares the devices among its jobs"
    return (yield)


def _reaches_suites(config: pytest.Config) -> bool:
    """Whether some path of the command line is the folder `suites`, lies in it, or holds it."""
    suites = config.rootpath / "suites"
    given = [config.invocation_params.dir / arg.split("::")[0] for arg in config.args]
    places = [Path(place).resolve() for place in given]
    return any(place == suites or suites in place.parents or place in suites.parents for place in places)


def selected_by(config: pytest.Config) -> str:
    """What the command line selects tests by, in small letters: -k, -m, and ids of tests without their files."""
    tests = [argument.partition("::")[2] for argument in config.args]
    return " ".join([config.option.keyword, config.option.markexpr, *tests]).lower()
