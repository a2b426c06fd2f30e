"""A declared subject -> the chain of stages that lead to it, each with all that its fingerprint is computed from.

Each stage contains the fingerprint of the one before. So a new fine-tuning rate never repeats the pretraining, and new
pretraining data changes everything after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from harness.environment import version_of
from harness.errors import RecipeError
from harness.files import Json, short
from harness.fingerprint.code import EMBEDDING, WEIGHTS, CodeDigests
from harness.fingerprint.data import DataKeys
from harness.fingerprint.values import digest, fields_of, plain
from harness.recipe import Architecture, Endpoint, Finetune, Fresh, Gguf, Lookup, Pretrain, Retrieve, Stage, Subject

Kind = Literal["pretrain", "finetune", "fresh", "import", "base", "retrieve", "open_book"]


@dataclass(frozen=True)
class PlannedStage:
    """One checkpoint on the way to a subject: what it is made from, and its fingerprint."""

    kind: Kind
    subject: Subject
    stage: Stage | None
    spec: Json
    parent: PlannedStage | None
    lookup: Lookup | None = None  # how its questions get passages; its weights are its parent's

    @cached_property
    def key(self) -> str:
        """The fingerprint."""
        return digest(self.spec)

    @property
    def short(self) -> str:
        """The fingerprint as people see it."""
        return short(self.key)

    @property
    def name(self) -> str:
        """For people: subject and stage."""
        return self.subject.id if self.kind == "base" else f"{self.subject.id} {self.kind.replace('_', ' ')}"

    @property
    def trains(self) -> bool:
        """Whether making it takes training steps."""
        return self.kind in ("pretrain", "finetune")

    @property
    def is_made(self) -> bool:
        """Whether it is an artifact in the store, rather than weights used as they are."""
        return self.kind != "base" and self.lookup is None

    @property
    def weights(self) -> PlannedStage:
        """The stage whose weights answer: its own, or that which looks things up."""
        return self.parent if self.lookup is not None and self.parent is not None else self

    @property
    def is_served(self) -> bool:
        """Whether it is a server's model, of which no weights are at hand."""
        return "served" in self.spec["base"]

    @property
    def is_adapter(self) -> bool:
        """Whether its artifact is an adapter over its parent."""
        return isinstance(self.stage, Finetune) and self.stage.adapter is not None and self.kind == "finetune"


@dataclass(frozen=True)
class ModelFolders:
    """Where models that are named by a path or by a hub id may lie."""

    root: Path  # the project's
    models: Path | None = None  # where a machine keeps them, as [tool.harness] says

    def of(self, base: str) -> Path:
        """A folder or file as named: absolute, below the project, or below the folder of models, whichever is there first."""
        own = self.root / Path(base).expanduser()
        kept = self.models / base if self.models is not None else own
        return kept if kept.exists() and not own.exists() else own


class StageKeys:
    """The stages of subjects; each chain is worked out once."""

    def __init__(self, folders: ModelFolders, data: DataKeys, code: CodeDigests) -> None:
        self.folders, self.data, self.code = folders, data, code
        self._chains: dict[str, tuple[PlannedStage, ...]] = {}

    def chain(self, subject: Subject) -> tuple[PlannedStage, ...]:
        """The stages that lead to a subject, first to last; the last one's key is its fingerprint."""
        known = self._chains.get(subject.id)
        if known is None:
            found = list(self._chain(subject))
            if subject.lookup is not None:
                found.append(self._looking_up(subject, subject.lookup, found[-1]))
            known = self._chains[subject.id] = tuple(found)
        return known

    def _looking_up(self, subject: Subject, lookup: Lookup, asked: PlannedStage) -> PlannedStage:
        """The stage at which a model is asked with passages; the code that finds them counts with the answers."""
        kind: Kind = "retrieve" if isinstance(lookup, Retrieve) else "open_book"
        spec: Json = {
            "stage": kind,
            "base": {"checkpoint": asked.key} if asked.kind != "base" else asked.spec["base"],
            "data": self.data.of(lookup.data, subject.scale),
            "settings": {name: value for name, value in fields_of(lookup).items() if name != "data"},
        }
        if not isinstance(lookup, Retrieve):
            return PlannedStage(kind, subject, None, spec, asked, lookup)
        if lookup.embeddings is None:
            spec["bm25s"] = version_of("bm25s")  # what is a word, and how passages are ranked, is its own
        else:
            library = version_of("sentence-transformers")  # pooling, prompts and similarity are its own
            model = self._embedder(subject, lookup.embeddings)
            spec["embeddings"] = {**model, "sentence_transformers": library, "code": self.code.of(*EMBEDDING)}
            del spec["settings"]["embeddings"]  # by what it holds, wherever it lies
        return PlannedStage(kind, subject, None, spec, asked, lookup)

    def _chain(self, subject: Subject) -> Iterator[PlannedStage]:
        base = subject.variant.base
        parent: PlannedStage | None = None
        if isinstance(base, Fresh):
            yield from self._fresh(subject, base)
            return
        if isinstance(base, Subject):
            parents = self.chain(base)
            yield from parents
            parent = parents[-1]
            start: Json = {"checkpoint": parent.key}
        elif isinstance(base, Architecture):
            start = {"architecture": plain(base)}
        elif isinstance(base, Gguf):
            parent = self._imported(subject, base)
            yield parent
            start = {"checkpoint": parent.key}
        else:
            start = {"served": base.model, "url": base.url} if isinstance(base, Endpoint) else self._model(base)
            parent = PlannedStage("base", subject, None, {"stage": "base", "base": start}, None)
            yield parent
        for stage in subject.stages:
            kind: Kind = "pretrain" if isinstance(stage, Pretrain) else "finetune"
            spec = {
                "stage": kind,
                "base": start,
                "data": self.data.of(stage.data, subject.scale),
                "settings": fields_of(stage.settings),
                "micro_batch_size": subject.micro_batch_size(stage),
                "seed": subject.seed,
                "code": self.code.of(*WEIGHTS[kind]),
            }
            parent = PlannedStage(kind, subject, stage, spec, parent)
            yield parent
            start = {"checkpoint": parent.key}

    def _fresh(self, subject: Subject, base: Fresh) -> Iterator[PlannedStage]:
        """The stages of an untrained subject: the same architecture and tokenizer, no step taken."""
        stage: Stage | None = None
        parent: PlannedStage | None = None
        start: Json = {}
        data: list[Json] = []
        if isinstance(base.like, str):
            start = self._model(base.like)
        else:
            first = self.chain(base.like)[0] if isinstance(base.like, Subject) else self._imported(subject, base.like)
            if first.kind == "import":
                parent, start = first, {"checkpoint": first.key}
                yield parent
            elif first.kind == "pretrain":  # its tokenizer is trained on the same data
                stage, start, data = first.stage, first.spec["base"], first.spec["data"]
            else:
                raise RecipeError(
                    f"{subject.id}: Fresh(like={first.subject.id}) needs a subject that is pretrained from scratch, or "
                    "imported."
                )
        code = self.code.of(*WEIGHTS["fresh"])
        spec = {"stage": "fresh", "base": start, "data": data, "seed": subject.seed, "code": code}
        yield PlannedStage("fresh", subject, stage, spec, parent)

    def _imported(self, subject: Subject, base: Gguf) -> PlannedStage:
        """The stage that turns a model file into a checkpoint; its key is of the file's bytes, wherever it lies."""
        content = base.sha256
        if base.path is not None:
            path = self.folders.of(base.path)
            if not path.is_file():
                what = "is a folder" if path.is_dir() else "does not exist"
                raise RecipeError(f"{subject.id}: GGUF file {path} {what}.", "Give a file's path from the project.")
            content = self.data.files.of(path)
            if base.sha256 not in (None, content):
                raise RecipeError(f"{subject.id}: {path} has SHA-256 {content}, and {base.sha256} is declared.")
        spec = {"stage": "import", "base": {"gguf": content}, "code": self.code.of(*WEIGHTS["import"])}
        return PlannedStage("import", subject, None, spec, None)

    def _embedder(self, subject: Subject, name: str) -> Json:
        """A model of sentence-transformers on the hub by its recorded revision, in a folder by its bytes."""
        folder = self.folders.of(name)
        if not folder.is_dir() and name.startswith((".", "/", "~")):
            raise RecipeError(
                f"{subject.id}: embedding model directory {name} does not exist.",
                "Give a directory, or a hub id such as org/name.",
            )
        if not folder.is_dir():
            return self._model(name)
        if not (folder / "modules.json").exists():
            raise RecipeError(
                f"{subject.id}: embedding model directory {folder} holds no modules.json.",
                "Is it a model of sentence-transformers? SentenceTransformer(name).save(folder) writes one.",
            )
        return {"directory": self._bytes_below(folder)}

    def _model(self, base: str) -> Json:
        """A hub model by its recorded revision, a local one by its bytes."""
        folder = self.folders.of(base)
        if folder.is_dir():
            below = adapted_base(folder)
            if below is not None:
                return {"adapter": self._bytes_below(folder), "base": self._model(below)}
            if not (folder / "config.json").exists():
                raise RecipeError(f"base model directory {folder} holds no config.json.", "Is it a transformers model?")
            return {"directory": self._bytes_below(folder)}
        if base.startswith((".", "/", "~")):
            raise RecipeError(
                f"base model directory {base} does not exist.", "Give a directory, or a hub id such as org/name."
            )
        return {"model": base, "revision": self.data.revision("model", base, self.data.access.lock_file)}

    def _bytes_below(self, folder: Path) -> str:
        """One digest over the names and bytes of all files below a folder."""
        files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
        return digest({str(p.relative_to(folder)): self.data.files.of(p) for p in files})


def adapted_base(folder: Path) -> str | None:
    """The base that a folder's LoRA adapter says it changes, a folder or a hub id; None where it holds a whole model.

    Other trainers leave a config.json beside an adapter; what has weights of a whole model is one all the same.
    """
    config = folder / "adapter_config.json"
    if not config.exists() or any(folder.glob("model*.safetensors")):
        return None
    try:
        base = json.loads(config.read_text("utf-8")).get("base_model_name_or_path")
    except (ValueError, AttributeError):
        base = None
    if not isinstance(base, str) or not base:
        raise RecipeError(
            f"{config} names no base (base_model_name_or_path).", "Write the base's folder or hub id there."
        )
    beside = folder / base
    if beside.resolve() == folder.resolve():
        raise RecipeError(f"{config} names its own folder as its base.", "Write the base's folder or hub id there.")
    return str(beside.resolve()) if not Path(base).is_absolute() and base.startswith(".") and beside.is_dir() else base


def outdated(specs: Mapping[str, Json], code: CodeDigests) -> set[str]:
    """Of stored checkpoints, fingerprint -> spec, those that no recipe can lead to any more.

    They were made by training code that has changed since, or start from a checkpoint that was.
    """
    current = {kind: code.of(*folders) for kind, folders in WEIGHTS.items()}
    found = {key for key, spec in specs.items() if spec.get("code") != current.get(spec.get("stage", ""))}
    for _ in specs:  # as deep as any chain
        more = {key for key, spec in specs.items() if spec["base"].get("checkpoint") in found} - found
        if not more:
            break
        found |= more
    return found
