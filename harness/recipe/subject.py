"""Recipes, their variants, and the subjects that each is at one variant and seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from harness.claims import Claim, Target
from harness.data.sources import Scale
from harness.errors import RecipeError, check_types
from harness.recipe.bases import Architecture, Endpoint, Gguf
from harness.recipe.lookup import Lookup
from harness.recipe.training import Finetune, Pretrain, Stage


@dataclass(frozen=True)
class Fresh:
    """The same architecture and tokenizer as another model, with fresh weights: the untrained subject."""

    like: Subject | str | Gguf

    def __post_init__(self) -> None:
        object.__setattr__(self, "like", _file_or_name(self.like))


@dataclass(frozen=True)
class Variant:
    """One size of a recipe: which base, at which scale of the data.

    The base is a hub id, a directory or `.gguf` file, another recipe's subject, an architecture, or a server's model.
    """

    name: str
    base: str | Subject | Architecture | Fresh | Gguf | Endpoint = field(kw_only=True)
    scale: Scale = field(kw_only=True)
    micro_batch_size: int | None = field(default=None, kw_only=True)  # rows per forward pass; default: all
    stages: tuple[Stage | Lookup, ...] | None = field(default=None, kw_only=True)  # in place of the recipe's
    seed: int = field(default=0, kw_only=True)
    save_steps: int | None = field(default=None, kw_only=True)  # default: five times in a training
    gpus: int = field(default=1, kw_only=True)  # that train it together, if so many are at hand; results stay the same
    published: str = field(default="", kw_only=True)  # how long its training took, as published, for `harness plan`

    def __post_init__(self) -> None:
        if isinstance(self.base, Recipe):
            raise RecipeError(
                f"Variant {self.name!r}: base is the recipe {self.base.name!r}, and has to be one of its variants.",
                f"Write base={self.base.name.upper()}[{self.base.variants[0].name!r}].",
            )
        check_types(self, RecipeError)
        if self.gpus < 1:
            raise RecipeError(f"Variant {self.name!r}: gpus={self.gpus}, and at least one is needed.")
        object.__setattr__(self, "base", _file_or_name(self.base))
        if self.stages is not None:
            object.__setattr__(self, "stages", tuple(self.stages))


def _file_or_name(base: Any) -> Any:
    """A base's name as a Gguf if it is the path of such a file; anything else as it is."""
    return Gguf(base) if isinstance(base, str) and base.lower().endswith(".gguf") else base


@dataclass(frozen=True)
class Recipe:
    """An experiment: stages of training, the variants they are run at, and the claims they make."""

    name: str
    stages: tuple[Stage | Lookup, ...] = field(default=(), kw_only=True)
    variants: tuple[Variant, ...] = field(kw_only=True)
    claims: tuple[Claim, ...] = field(default=(), kw_only=True)
    targets: tuple[Target, ...] = field(default=(), kw_only=True)
    hypothesis: str = field(default="", kw_only=True)  # default: the recipe file's docstring
    suites: tuple[str, ...] = field(default=(), kw_only=True)  # names of those that measure it; default: all
    on_request: str = field(
        default="", kw_only=True
    )  # the word that -k or -m has to hold for it to be run; default: none

    @property
    def _judged(self) -> list[str]:
        """Suites that claims and targets are about."""
        return [claim.suite for claim in self.claims] + [
            name for target in self.targets for name in (target.suite, *target.together_with)
        ]

    @property
    def named_suites(self) -> set[str]:
        """Suites that it names: those that measure it, where it says so, and those that its claims and targets are about."""
        return {*self.suites, *self._judged}

    def __post_init__(self) -> None:
        check_types(self, RecipeError)
        for what in ("stages", "variants", "claims", "targets", "suites"):
            object.__setattr__(self, what, tuple(getattr(self, what)))
        if not self.name.isidentifier():
            raise RecipeError(f"Recipe {self.name!r}: the name is also a fixture's, so it must be a Python name.")
        if self.on_request and not self.on_request.isidentifier():
            raise RecipeError(f"{self.name}: on_request is {self.on_request!r}, and has to be one word, for -k and -m.")
        names = [variant.name for variant in self.variants]
        for name in names:
            if names.count(name) > 1:
                raise RecipeError(f"{self.name}: two variants are called {name!r}.", "Give each its own name.")
        beyond = next((name for name in self._judged if self.suites and name not in self.suites), None)
        if beyond is not None:
            raise RecipeError(
                f"{self.name}: a claim is about the suite {beyond!r}, and it is measured by {', '.join(self.suites)}.",
                f"Add {beyond!r} to suites=.",
            )
        for subject in self:
            subject.check()

    def __iter__(self) -> Iterator[Subject]:
        return (Subject(self, variant) for variant in self.variants)

    def __getitem__(self, variant: str) -> Subject:
        for subject in self:
            if subject.variant.name == variant:
                return subject
        known = ", ".join(variant.name for variant in self.variants)
        raise RecipeError(f"{self.name} has no variant {variant!r} (variants: {known}).")


@dataclass(frozen=True)
class Subject:
    """A recipe at one variant and seed: what a checkpoint is made from and a suite measures."""

    recipe: Recipe
    variant: Variant

    @property
    def seed(self) -> int:
        return self.variant.seed

    @property
    def id(self) -> str:
        """recipe-variant, the name in test ids; with -seedN for seeds beyond the first."""
        seed = f"-seed{self.seed}" if self.seed else ""
        return f"{self.recipe.name}-{self.variant.name}{seed}"

    @property
    def scale(self) -> Scale:
        return self.variant.scale

    @property
    def declared(self) -> tuple[Stage | Lookup, ...]:
        """All stages: the variant's own, or the recipe's."""
        return self.variant.stages if self.variant.stages is not None else self.recipe.stages

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that train."""
        return tuple(stage for stage in self.declared if not isinstance(stage, Lookup))

    @property
    def lookup(self) -> Lookup | None:
        """How passages come before its questions; None where they are asked as they are."""
        return next((stage for stage in self.declared if isinstance(stage, Lookup)), None)

    def micro_batch_size(self, stage: Stage) -> int:
        """Rows per forward pass."""
        return self.variant.micro_batch_size or stage.effective_batch_size

    def with_seed(self, seed: int) -> Subject:
        """The same with another training seed; a base that is itself trained keeps its own."""
        return Subject(self.recipe, replace(self.variant, seed=seed))

    def check(self) -> None:
        """Raise RecipeError where stages and variant cannot go together."""
        self._check_lookup()
        for stage in self.stages:
            micro = self.micro_batch_size(stage)
            if micro < 1 or stage.effective_batch_size % micro:
                fits = [d for d in (1, 2, 4, 8, 16, 32, 64) if stage.effective_batch_size % d == 0]
                raise RecipeError(
                    f"{self.id}: effective_batch_size {stage.effective_batch_size} is not a multiple of "
                    f"micro_batch_size {micro}.",
                    f"Use {', '.join(map(str, fits[:-1]))} or {fits[-1]}." if len(fits) > 1 else "Use 1.",
                )
        first = self.variant.base
        while isinstance(first, Subject | Fresh):
            first = first.variant.base if isinstance(first, Subject) else first.like
        if isinstance(first, Endpoint) and (self.stages or first is not self.variant.base):
            raise RecipeError(
                f"{self.id}: {first} is a server's model, and cannot be trained.",
                "Start from a hub id, a folder or a file.",
            )
        pretrains = [i for i, stage in enumerate(self.stages) if isinstance(stage, Pretrain)]
        if pretrains not in ([], [0]):
            raise RecipeError(f"{self.id}: Pretrain is stage {pretrains[-1] + 1}; only the first stage can pretrain.")
        fresh = isinstance(self.variant.base, Architecture)
        if fresh and self.stages and not pretrains:
            raise RecipeError(f"{self.id}: the base is an Architecture with fresh weights, but no stage pretrains it.")
        if pretrains and isinstance(self.variant.base, Fresh):
            raise RecipeError(f"{self.id}: Pretrain cannot start from Fresh(...).", "Give the Architecture itself.")
        self._check_adapters()

    def _check_adapters(self) -> None:
        """Raise RecipeError where a stage would train on from an adapter."""
        adapters = [i for i, stage in enumerate(self.stages) if isinstance(stage, Finetune) and stage.adapter]
        if adapters and adapters[-1] != len(self.stages) - 1:
            raise RecipeError(f"{self.id}: stage {adapters[0] + 1} trains an adapter; only the last stage can.")
        before = self.variant.base
        while isinstance(before, Subject) and not before.stages:
            before = before.variant.base
        last = before.stages[-1] if isinstance(before, Subject) else None
        if self.stages and isinstance(before, Subject) and isinstance(last, Finetune) and last.adapter:
            raise RecipeError(
                f"{self.id}: its base {before.id} is an adapter, and training does not go on from one.",
                f"Start from what {before.id} starts from, or train all its weights (no adapter=).",
            )

    def _check_lookup(self) -> None:
        """Raise RecipeError where a stage that looks things up is not the only one, or has no weights to ask."""
        base = self.variant.base
        if isinstance(base, Subject) and base.lookup is not None:
            raise RecipeError(
                f"{self.id}: its base {base.id} looks things up, and there are no weights of that.",
                f"Start from what {base.id} starts from.",
            )
        if self.lookup is None:
            return
        if len(self.declared) > 1:
            raise RecipeError(
                f"{self.id}: {type(self.lookup).__name__} is one of {len(self.declared)} stages, and has to be the only one.",
                "Declare the training as a recipe of its own, and start from it: base=RECIPE['mini'].",
            )
        if self.lookup.fewer and isinstance(base, Endpoint):
            raise RecipeError(
                f"{self.id}: fewer=True needs the model's context, and {base} is a server's model.", "Take a smaller k."
            )
        if isinstance(base, Architecture):
            raise RecipeError(f"{self.id}: the base is an Architecture with fresh weights, and no stage pretrains it.")
