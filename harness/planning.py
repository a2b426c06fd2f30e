"""Declared subjects and suites -> stages and evaluations with their keys. Reads digests, never rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.data import hub
from harness.data.reading import Access, as_given, source_file
from harness.data.sources import Hub, Mix, Rows
from harness.errors import DataError, RecipeError
from harness.evaluation import suite_spec
from harness.fingerprint import FileDigests, digest, function_digest, plain
from harness.recipe import Architecture, Finetune, Fresh, Pretrain, Stage, Subject
from harness.suite import LmEval, LmEvalTask, Overlap, Suite

HERE = Path(__file__).parent
READS = tuple(HERE / "data" / name for name in ("formats.py", "reading.py", "splitting.py"))
ANSWERS = (  # the code that can change what a model answers
    "models/__main__.py",
    "models/engine.py",
    "models/generation.py",
    "models/likelihood.py",
    "models/lm.py",
    "models/lm_eval_tasks.py",
    "models/loading.py",
    "models/onednn.py",
    "models/parity.py",
    "models/probe.py",
    "models/prompts.py",
    "models/resident.py",
    "models/tree.py",
    "models/trie.py",
)
TRAINS = {  # the code that can change the weights, by stage
    "pretrain": (
        "training/packing.py",
        "training/pretrain.py",
        "training/tokens.py",
        "training/trainers.py",
        "training/templates",
        "models/loading.py",
    ),
    "fresh": ("training/pretrain.py", "training/tokens.py", "training/templates", "models/loading.py"),
    "finetune": (
        "training/finetune.py",
        "training/packing.py",
        "training/tokens.py",
        "training/trainers.py",
        "training/templates",
        "models/loading.py",
    ),
}
WATCHED = ("data", "held_out", "eval_steps")  # fields of a stage that are no settings


@dataclass(frozen=True)
class PlannedStage:
    """One checkpoint on the way to a subject: what it is made from, and its fingerprint."""

    kind: str  # pretrain, finetune, fresh or base
    subject: Subject
    stage: Stage | None
    spec: dict[str, Any]
    parent: PlannedStage | None

    @cached_property
    def key(self) -> str:
        """The fingerprint."""
        return digest(self.spec)

    @property
    def name(self) -> str:
        """For people: subject and stage."""
        return self.subject.id if self.kind == "base" else f"{self.subject.id} {self.kind}"

    @property
    def trains(self) -> bool:
        """Whether making it takes training steps."""
        return self.kind in ("pretrain", "finetune")

    @property
    def is_made(self) -> bool:
        """Whether it is an artifact in the store, rather than weights used as they are."""
        return self.kind != "base"


class Planner:
    """Keys of stages and evaluations for one session's data access; `suites` tells the project's, when asked.

    With `pin`, a hub revision that was never recorded is resolved and recorded before it goes into a key;
    without, it counts as None, and nothing is asked of the hub. With `without_data` a file that is not at hand
    counts as None too: such keys serve to plan with, and no artifact has them. `last_lm_eval` tells which version
    measured what is stored, where none is installed to measure with.
    """

    def __init__(
        self,
        access: Access,
        digests: FileDigests,
        root: Path,
        suites: Callable[[], dict[str, Suite]] = dict,
        pin: bool = False,
        without_data: bool = False,
        last_lm_eval: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.last_lm_eval = last_lm_eval
        self.revision = hub.resolve if pin else hub.revision
        self.without_data = without_data
        self.access, self.digests, self.root, self.suites = access, digests, root, suites
        self._suites: dict[int, tuple[Suite, dict[str, Any]]] = {}  # by id of what it holds
        self._chains: dict[str, tuple[PlannedStage, ...]] = {}
        self._data: dict[tuple[int, str], tuple[Any, list[dict[str, Any]]]] = {}  # holds what its key is the id of
        self._evaluations: dict[tuple[int, str, str], tuple[str, dict[str, Any]]] = {}

    def chain(self, subject: Subject) -> tuple[PlannedStage, ...]:
        """The stages that lead to a subject, first to last; the last one's key is its fingerprint."""
        known = self._chains.get(subject.id)
        if known is None:
            known = self._chains[subject.id] = tuple(self._chain(subject))
        return known

    def fingerprint(self, subject: Subject) -> str:
        """The key of the subject's last stage."""
        return self.chain(subject)[-1].key

    def _chain(self, subject: Subject) -> Iterator[PlannedStage]:
        base = subject.variant.base
        parent: PlannedStage | None = None
        if isinstance(base, Fresh):
            yield self._fresh(subject, base)
            return
        if isinstance(base, Subject):
            parents = self.chain(base)
            yield from parents
            parent = parents[-1]
            start: dict[str, Any] = {"checkpoint": parent.key}
        elif isinstance(base, Architecture):
            start = {"architecture": plain(base)}
        else:
            start = self._model(base)
            parent = PlannedStage("base", subject, None, {"stage": "base", "base": start}, None)
            yield parent
        for stage in subject.stages:
            kind = "pretrain" if isinstance(stage, Pretrain) else "finetune"
            settings = {name: value for name, value in plain(stage).items() if name not in (*WATCHED, "is")}
            spec = {
                "stage": kind,
                "base": start,
                "data": self.data(stage.data, subject.scale),
                "settings": settings,
                "micro_batch_size": subject.micro_batch_size(stage),
                "seed": subject.seed,
                "code": self._code(kind),
            }
            parent = PlannedStage(kind, subject, stage, spec, parent)
            yield parent
            start = {"checkpoint": parent.key}

    def _fresh(self, subject: Subject, base: Fresh) -> PlannedStage:
        if isinstance(base.like, str):
            spec = {
                "stage": "fresh",
                "base": self._model(base.like),
                "data": [],
                "seed": subject.seed,
                "code": self._code("fresh"),
            }
            return PlannedStage("fresh", subject, None, spec, None)
        first = self.chain(base.like)[0]
        if first.kind != "pretrain":
            raise RecipeError(
                f"{subject.id}: Fresh(like={base.like.id}) needs a subject that is pretrained from scratch."
            )
        spec = {
            "stage": "fresh",
            "base": first.spec["base"],
            "data": first.spec["data"],  # the tokenizer is trained on it
            "seed": subject.seed,
            "code": self._code("fresh"),
        }
        return PlannedStage("fresh", subject, first.stage, spec, None)

    def _model(self, base: str) -> dict[str, Any]:
        """A hub model by its recorded revision, a local one by its bytes."""
        folder = Path(base) if Path(base).is_absolute() else self.root / base
        if folder.is_dir():
            if not (folder / "config.json").exists():
                raise RecipeError(f"base model directory {folder} holds no config.json.", "Is it a transformers model?")
            return {"directory": self.digests.of_folder(folder)}
        if base.startswith((".", "/", "~")):
            raise RecipeError(
                f"base model directory {base} does not exist.", "Give a directory, or a hub id such as org/name."
            )
        return {"model": base, "revision": self.revision("model", base, self.access.lock_file)}

    def _code(self, kind: str) -> str:
        return self.digests.of_code(*READS, *(HERE / place for place in TRAINS[kind]))[:16]

    def data(self, wanted: Any, scale: str) -> list[dict[str, Any]]:
        """What decides the rows of a dataset, a part of one, or a mix, at a scale."""
        if (id(wanted), scale) in self._data:
            return list(self._data[id(wanted), scale][1])
        access = replace(self.access, scale=scale)  # type: ignore[arg-type]
        given = as_given(wanted, access)
        parts = given.parts if isinstance(given, Mix) else (given,)
        found = [self._part(part, access) for part in parts]
        if isinstance(given, Mix) and given.divided is not None:
            split = given.divided
            found.append({"side": split.side, "held_out_rows": split.count[scale]})
        self._data[id(wanted), scale] = wanted, found
        return list(found)

    def _part(self, part: Rows, access: Access) -> dict[str, Any]:
        source = part.dataset.source(access.scale)
        found: dict[str, Any]
        try:
            path = source_file(source, access, part.dataset.name)
        except DataError:
            if not self.without_data:
                raise
            return {"bytes": None, "rows": part.count[access.scale]}
        if path is not None:
            found = {"bytes": self.digests.of(path)}
        else:
            assert isinstance(source, Hub)
            found = {
                "hub": source.id,
                "config": source.config,
                "split": source.split,
                "revision": self.revision("dataset", source.id, access.lock_file),
            }
        where = ("is", "name", "path", "id", "config", "split", "file")
        reads = {name: value for name, value in plain(source).items() if name not in where and value}
        taken = {"rows": part.count[access.scale], "skip": part.skip.get(access.scale, 0), "share": part.portion}
        return {**found, "reads": reads, **{k: v for k, v in taken.items() if v}}

    def evaluation(self, suite: Suite, planned: PlannedStage, device: str) -> tuple[str, dict[str, Any]]:
        """Key and spec of a suite's evaluation of a checkpoint."""
        scale = planned.subject.scale
        known = self._evaluations.get((id(suite), planned.key, scale))
        if known is not None:
            return known
        if suite.dataset is not None:
            data = self.data(suite.dataset, scale)
        elif not suite.needs_model and planned.stage is not None and planned.stage.held_out is not None:
            data = self.data(planned.stage.held_out, scale)  # whose losses the checkpoint recorded
        else:
            data = []
        for ask in suite.asks:
            if isinstance(ask, Overlap):
                data += self._items(scale)
            if isinstance(ask, LmEvalTask) and (self.root / ask.task).is_file():
                named = files_named_in(self.root / ask.task)
                data.append({path.name: self.digests.of(path) for path in [self.root / ask.task, *named]})
        if id(suite) not in self._suites:
            self._suites[id(suite)] = suite, suite_spec(suite)
        asks_lm_eval = any(isinstance(ask, LmEval | LmEvalTask) for ask in suite.asks)
        spec = {
            "checkpoint": planned.key,
            "suite": {**self._suites[id(suite)][1], "data": data},
            "engine": self._engine,
            "dtype": dtype_on(device),
            "lm_eval": self._lm_eval if asks_lm_eval else None,
        }
        self._evaluations[id(suite), planned.key, scale] = digest(spec), spec
        return digest(spec), spec

    def _items(self, scale: str) -> list[dict[str, Any]]:
        """What decides the items of all suites, and how they are looked for in training rows."""
        code = self.digests.of_code(HERE / "data" / "overlap.py", HERE / "contamination.py")
        items = [
            {
                "suite": suite.name,
                "data": self.data(suite.dataset, scale),
                "to_sample": function_digest(suite.to_sample),
            }
            for suite in self.suites().values()
            if suite.dataset is not None and suite.to_sample is not None
        ]
        return [{"code": code[:16]}, *items]

    @cached_property
    def reading(self) -> str:
        """Digest of the code that turns files into rows."""
        return self.digests.of_code(*READS)[:16]

    @cached_property
    def _engine(self) -> str:
        return self.digests.of_code(*READS, *(HERE / place for place in ANSWERS), HERE / "evaluation.py")[:16]

    @cached_property
    def _lm_eval(self) -> str | None:
        try:
            return version("lm_eval")
        except PackageNotFoundError:
            return self.last_lm_eval()


def files_named_in(task_file: Path) -> list[Path]:
    """The data files, included task files and modules that a task file of lm-eval names: beside it, or absolute."""
    text = task_file.read_text("utf-8")
    absolute = [Path(name) for name in re.findall(r"(?<![\w.])/[^\s'\"{},\]]+", text)]
    beside = [p for p in task_file.parent.iterdir() if p != task_file and (p.name in text or f"{p.stem}." in text)]
    return sorted(path for path in {*absolute, *beside} if path.is_file())


def dtype_on(device: str) -> str:
    """The dtype in which a model is measured: bfloat16 on CUDA, float32 on the CPU."""
    return "bfloat16" if device.startswith("cuda") else "float32"


def is_adapter(planned: PlannedStage) -> bool:
    """Whether the stage's artifact is an adapter over its parent."""
    return isinstance(planned.stage, Finetune) and planned.stage.adapter is not None and planned.kind == "finetune"
