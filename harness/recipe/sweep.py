"""A recipe under several settings: which it could be trained with, as variants of their own."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import PurePath
from typing import Any

from harness.errors import HarnessError, RecipeError, check_types
from harness.recipe.bases import Architecture, Gguf
from harness.recipe.subject import Fresh, Recipe, Subject, Variant
from harness.recipe.training import Finetune, FinetuneSettings, Lora, Pretrain, PretrainSettings, Stage

SWEEP = "sweep"  # part of every sweep's name, so that `-k sweep` finds it
ROWS, PHRASINGS, BASE = "rows", "phrasings", "base"  # what can be swept beside a stage's settings
HELD_OUT = ("training", "held_out_loss_change")  # by which settings are chosen unless said otherwise
AMOUNTS = (ROWS, PHRASINGS)  # settings of which more is more to learn from
LOSSES = ("held_out_loss", "held_out_loss_change")
OTHER_TOKENS = (BASE, "template", "max_length", "block_length")  # settings that change which tokens a loss is of
OTHER_STEPS = ("epochs", "effective_batch_size")  # settings that change how many steps are taken
MOST = 256  # combinations in one sweep
NO_SETTINGS = ("held_out", "eval_steps", "micro_batch_size", "save_steps", "gpus", "seed")


@dataclass(frozen=True)
class Point:
    """One combination of settings, at one size of the recipe."""

    of: Variant  # the recipe's own, whose other settings it has
    settings: Mapping[str, Any]  # by name
    variant: Variant

    @property
    def words(self) -> str:
        """Its settings as people read them: "rank 8, learning_rate 0.001"."""
        return ", ".join(f"{name} {label(value)}" for name, value in self.settings.items())


@dataclass(frozen=True, init=False)
class Sweep:
    """A recipe under every combination of the settings named, each a variant that is trained and measured.

        Sweep(SOFTWARE_DEFECT, phrasings=[1, 2, 3, 5])
        Sweep(STATS_QLORA, "sweep_of_adapters", rank=[4, 16], learning_rate=[2e-4, 1e-3], variants=["mini"])

    A setting is a field of the stage that trains, or of its `Lora` (whose alpha keeps its ratio to the rank unless it
    is swept too); `rows`, so many of the training rows; `phrasings`, at most so many rows of each group; or `base`.
    What is taken with a smaller number is among what is taken with a larger one. `stage` counts the stages that train
    from 1, and is needed where there are several; `variants` are the recipe's sizes to sweep (default: all).

    It is measured by the suites that choose and judge, a suite and a metric each, of which the suite declares which
    direction is better (`Mean("unseen", better="higher")`). Settings are chosen by `chosen_by` (default: the loss on
    held-out rows) and judged by `judged_by` (default: what the recipe's first claim is about); they are compared with
    the recipe as declared where that is measured too. The name has "sweep" in it: sweeps are left out of a session
    unless `-k` or `-m` says so. Raises RecipeError for a setting that the recipe does not have, or that is none.
    """

    of: Recipe
    name: str
    axes: tuple[tuple[str, tuple[Any, ...]], ...]
    stage: int | None  # counted from 1; None: the only one that trains
    chosen_by: tuple[str, str]  # suite and metric
    judged_by: tuple[str, str]
    variants: tuple[str, ...]

    def __init__(
        self,
        of: Recipe,
        name: str = SWEEP,
        *,
        stage: int | None = None,
        chosen_by: tuple[str, str] = HELD_OUT,
        judged_by: tuple[str, str] | None = None,
        variants: tuple[str, ...] | list[str] = (),
        **axes: Any,
    ) -> None:
        who = f"Sweep({getattr(of, 'name', of)!s}, {name!r})"
        if not isinstance(of, Recipe):
            raise RecipeError(f"{who}: it sweeps a {type(of).__name__}, and has to be given a Recipe.")
        if judged_by is None:
            if not of.claims:
                raise RecipeError(f"{who}: {of.name} claims nothing.", 'Say judged_by=("suite", "metric").')
            judged_by = of.claims[0].suite, of.claims[0].metric
        for attribute, value in {
            "of": of,
            "name": name,
            "axes": tuple((axis, _values(who, axis, values)) for axis, values in axes.items()),
            "stage": stage,
            "chosen_by": chosen_by,
            "judged_by": judged_by,
            "variants": tuple(variants) or tuple(variant.name for variant in of.variants),
        }.items():
            object.__setattr__(self, attribute, value)
        check_types(self, RecipeError)
        self._check(who)

    def _check(self, who: str) -> None:
        """Raise RecipeError for a sweep that cannot be meant as it is."""
        if SWEEP not in self.name or not self.name.isidentifier():
            raise RecipeError(f"{who}: its name is a Python name with {SWEEP!r} in it, such as 'sweep_of_rates'.")
        if not self.axes:
            raise RecipeError(f"{who}: it sweeps nothing.", "Name settings: learning_rate=[1e-4, 1e-3].")
        other_tokens = next((axis for axis, _ in self.axes if axis in OTHER_TOKENS), None)
        if other_tokens and {metric for _, metric in (self.chosen_by, self.judged_by)} & set(LOSSES):
            raise RecipeError(
                f"{who}: with another {other_tokens} the loss on held-out rows is of other tokens, and cannot be compared.",
                'Say by what they are chosen and judged: chosen_by=("suite", "metric"), judged_by=(...).',
            )
        count = math.prod(len(values) for _, values in self.axes)
        if count > MOST:
            raise RecipeError(
                f"{who}: {count:,} combinations of settings, each of which is trained; {MOST} are allowed.",
                "Take fewer values, or sweep one setting after the other.",
            )
        if count == 1:
            raise RecipeError(f"{who}: it has one value for each setting, so there is nothing to compare.")
        unknown = [name for name in self.variants if name not in [variant.name for variant in self.of.variants]]
        if unknown:
            known = ", ".join(variant.name for variant in self.of.variants)
            raise RecipeError(f"{who}: {self.of.name} has no variant {unknown[0]!r} (variants: {known}).")
        try:
            _ = self.recipe
        except HarnessError as error:
            raise RecipeError(f"{who}: {error.problem}", error.remedy) from None

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """Every combination of settings, at each of the recipe's sizes."""
        names = [name for name, _ in self.axes]
        found: list[Point] = []
        for size in self.of.variants:
            for values in product(*(values for _, values in self.axes)) if size.name in self.variants else ():
                settings = dict(zip(names, values, strict=True))
                found.append(Point(size, settings, self._variant(size, settings)))
        return tuple(found)

    @cached_property
    def recipe(self) -> Recipe:
        """All of it as a recipe, which claims nothing."""
        names = [point.variant.name for point in self.points]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise RecipeError(f"two of its settings are both called {twice!r} in test ids.", "Leave one of them out.")
        swept = "; ".join(f"{name} {', '.join(map(label, values))}" for name, values in self.axes)
        return Recipe(
            name=f"{self.of.name}_{self.name}",
            variants=tuple(point.variant for point in self.points),
            suites=tuple(dict.fromkeys([self.chosen_by[0], self.judged_by[0]])),
            on_request=SWEEP,
            hypothesis=f"{self.of.name} under several settings: {swept}.",
        )

    def size_of(self, variant: str) -> str:
        """The size of the recipe that one of its variants has."""
        return next(point.of.name for point in self.points if point.variant.name == variant)

    @property
    def can_be_halved(self) -> bool:
        """Whether settings may be stopped early by the loss on held-out rows: they are chosen by it, and take equally many
        steps, so that the same share of a training is as much of it for each.
        """
        return self.chosen_by[1] in LOSSES and not {*AMOUNTS, *OTHER_STEPS} & {name for name, _ in self.axes}

    def _variant(self, size: Variant, settings: Mapping[str, Any]) -> Variant:
        """The size with those settings."""
        stages = list(Subject(self.of, size).declared)
        trains = [place for place, stage in enumerate(stages) if isinstance(stage, Finetune | Pretrain)]
        if self.stage is not None and not 1 <= self.stage <= len(trains):
            raise RecipeError(f"stage={self.stage}, and {self.of.name}-{size.name} has {len(trains)} that train.")
        in_stage = [name for name in settings if name != BASE]
        if in_stage and self.stage is None and len(trains) != 1:
            raise RecipeError(
                f"{self.of.name}-{size.name} has {len(trains)} stages that train; which has {in_stage[0]}?",
                "Say stage=1 for the first." if trains else "",
            )
        if in_stage:
            place = trains[0 if self.stage is None else self.stage - 1]
            stages[place] = _with_settings(stages[place], {name: settings[name] for name in in_stage})  # type: ignore[arg-type]
        named = "-".join(f"{name}{label(value)}" for name, value in settings.items())
        return replace(
            size,
            name=f"{size.name}-{named}",
            base=settings.get(BASE, size.base),
            stages=tuple(stages),
            published="",
        )


def label(value: Any) -> str:
    """A setting's value in an id: 8, 0.001, none, smollm2_135m, rank16."""
    if value is None:
        return "none"
    if isinstance(value, Subject):
        return value.id
    if isinstance(value, Lora):
        plain = {field.name: getattr(Lora(rank=value.rank), field.name) for field in fields(Lora)}
        others = [f"{name}{label(getattr(value, name))}" for name in plain if plain[name] != getattr(value, name)]
        return "_".join([f"rank{value.rank}", *others])
    if isinstance(value, Architecture):
        return f"{value.hidden_size}x{value.layers}"
    if isinstance(value, Fresh):
        return f"fresh_{label(value.like)}"
    if isinstance(value, Gguf):
        value = PurePath(value.path or value.member or "").stem
    if isinstance(value, float):
        return f"{value:g}"
    if is_dataclass(value) and not isinstance(value, type):
        given = [(field.name, getattr(value, field.name)) for field in fields(value)]
        others = [
            f"{name}{label(own)}"
            for (name, own), field in zip(given, fields(value), strict=True)
            if own != field.default
        ]
        return "_".join([type(value).__name__.lower(), *others])
    return re.sub(r"[^\w.+]+", "_", str(value)).strip("_")


def _values(who: str, axis: str, values: Any) -> tuple[Any, ...]:
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise RecipeError(f"{who}: {axis} is {values!r}, and has to be a list of values.", f"Write {axis}=[...].")
    found = tuple(values)
    twice = next((one for one in found if found.count(one) > 1), None)
    if twice is not None:
        raise RecipeError(f"{who}: {axis} has the value {label(twice)} twice.")
    if not found:
        raise RecipeError(f"{who}: {axis} has no values.")
    return found


def _with_settings(stage: Stage, settings: Mapping[str, Any]) -> Stage:
    """The stage with those settings; RecipeError for one that it does not have, or that changes no weight."""
    of_stage = {field.name for field in fields(PretrainSettings if isinstance(stage, Pretrain) else FinetuneSettings)}
    adapter = stage.adapter if isinstance(stage, Finetune) else None
    of_adapter = {field.name for field in fields(Lora)}
    own: dict[str, Any] = {}
    of_lora: dict[str, Any] = {}
    for name, value in settings.items():
        if name in of_stage:
            own[name] = value
        elif name in of_adapter:
            of_lora[name] = value
        elif name in NO_SETTINGS:
            raise RecipeError(f"{name} is no setting that is chosen.", _instead(name))
        elif name not in AMOUNTS:
            known = [*sorted(of_stage), *sorted(of_adapter), ROWS, PHRASINGS, BASE]
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Settings: {', '.join(known)}."
            raise RecipeError(f"{type(stage).__name__} has no setting {name!r}.", hint)
    if of_lora:
        adapter = own.get("adapter", adapter)
        if adapter is None:
            raise RecipeError(f"{next(iter(of_lora))} is a setting of Lora, and all weights are trained.")
        if isinstance(of_lora.get("rank"), int) and "alpha" not in of_lora:
            assert adapter.alpha is not None, "Lora fills it in"
            of_lora["alpha"] = max(1, round(adapter.alpha * of_lora["rank"] / adapter.rank))
        own["adapter"] = replace(adapter, **of_lora)
    if settings.keys() & set(AMOUNTS):
        own["data"] = stage.data.take(settings.get(ROWS), per_group=settings.get(PHRASINGS))
    return replace(stage, **own)


def _instead(name: str) -> str:
    return (
        "Several seeds are --seeds N."
        if name == "seed"
        else "It says how it is trained or watched, not what comes out."
    )
