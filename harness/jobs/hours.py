"""Hours and cost of training and measuring on GPUs of a named kind: `harness plan --gpu-name`.

    training   passes x weights x tokens / (peak x utilization)
               passes: 6 where all weights are trained (forward 2, gradients of activations 2, of weights 2; Kaplan et
               al. 2020, arXiv:2001.08361), 4 for an adapter, which needs no gradients of the base's weights; 2 more
               where activations do not fit and are computed twice
    measuring  2 x weights x tokens / (peak x utilization), and half a minute to load the model

A row has as many tokens as its characters divided by four, and those of a chat template. The utilization is the median
of the trainings of the same kind that the store holds of such a GPU; where there are none, that measured on an H100
(docs/gpu.md); unless another is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median

from harness.data.reading.formats import row_text
from harness.data.reading.rows import load
from harness.errors import DataError, HarnessError
from harness.evaluation import StoredResults
from harness.files import Json
from harness.fingerprint.checkpoints import PlannedStage
from harness.jobs.estimate import StagePlan, VariantPlan, architecture_of, plan
from harness.jobs.schedule import Schedule, Task, scheduled
from harness.recipe import Finetune, Pretrain, Stage, Subject
from harness.suite import Suite

FULL = 0.9  # of a GPU's memory; above, activations are recomputed
CHARACTERS = 4  # of English text, a token
TEMPLATE = 30  # tokens of a chat template around a row
LOADING = 30.0  # seconds until a model answers
SUITE_TOKENS = 50_000  # of a suite that has never been measured
USES = {"all weights": 0.04, "adapter": 0.17, "adapter over NF4": 0.05, "measuring": 0.05}  # shares of the peak


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU, by its data sheet."""

    name: str
    peak: float  # floating-point operations per second: dense, 16 bits, sums in 32
    memory: int  # bytes


def _gpu(name: str, teraflops: float, gib: int) -> Gpu:
    return Gpu(name, teraflops * 1e12, gib * 2**30)


GPUS = (
    _gpu("RTX 3090", 71, 24), _gpu("RTX 4090", 165, 24), _gpu("A10", 125, 24), _gpu("L4", 121, 24),
    _gpu("L40S", 362, 48), _gpu("A100 40GB", 312, 40), _gpu("A100", 312, 80), _gpu("H100 PCIe", 756, 80),
    _gpu("H100", 989, 80), _gpu("H200", 989, 141),
)  # fmt: skip


def gpu_named(name: str) -> Gpu:
    """The kind of that name, however it is spelt; HarnessError, which lists those known, for another."""
    kind = _kind_of(name)
    for gpu in GPUS:
        if gpu.name == kind:
            return gpu
    raise HarnessError(f"--gpu-name {name}: not a known GPU.", f"Known: {', '.join(gpu.name for gpu in GPUS)}.")


def _kind_of(name: str) -> str | None:
    """The kind that a name is of, such as 'NVIDIA GeForce RTX 4090'; the longest that it holds."""
    longest = sorted(GPUS, key=lambda gpu: -len(gpu.name))
    return next((gpu.name for gpu in longest if _letters(gpu.name) in _letters(name)), None)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a matrix of subjects and suites takes."""

    variants: list[Json]  # VariantPlans, with `tokens`, `fits`, `hours`, `measuring_hours`, `cost`, `published`
    schedule: Schedule
    terms: Terms
    unknown: list[str]  # subjects whose tokens or weights are not known: they are not in the schedule

    @property
    def lines(self) -> list[str]:
        """All of it for people."""
        terms = self.terms
        busy, last = self.schedule.busy / 3600, self.schedule.makespan / 3600
        many = f"{terms.count} x {terms.gpu.name}"
        money = "" if terms.price is None else f", {busy * terms.price:,.2f} at {terms.price:g} an hour"
        uses = ", ".join(f"{use} {terms.share(use):.0%}" for use in USES)
        found = [
            f"what is missing takes {busy:,.1f} GPU hours{money}; on {many} it ends after {last:,.1f} hours "
            f"(no order of it can end before {self.schedule.lower_bound / 3600:,.1f})",
            f"reckoned with these shares of a peak of {terms.gpu.peak / 1e12:,.0f} TFLOPS: {uses}; rows that are not at "
            "hand are taken to be as long as the embedded ones of that dataset",
        ]
        if self.unknown:
            found.append(f"not counted, because their rows or sizes are not at hand: {', '.join(self.unknown)}")
        return found


@dataclass(frozen=True)
class Terms:
    """What the GPUs are, and what they cost."""

    gpu: Gpu
    count: int = 1
    price: float | None = None  # of one GPU an hour
    utilization: float | None = None  # in place of those measured

    measured: Mapping[str, float] = field(default_factory=dict)  # utilization of earlier trainings, by their kind

    def share(self, use: str) -> float:
        """The utilization that is reckoned with."""
        return self.utilization or self.measured.get(use, USES[use])

    def seconds(self, operations: float, use: str) -> float:
        """How long so many floating-point operations take."""
        return operations / (self.gpu.peak * self.share(use))


def measured(results: StoredResults, gpu: Gpu) -> dict[str, float]:
    """Kind of training -> its median utilization in the trainings that the store holds of such a GPU.

    Those over NF4 are left out: their records count packed weights.
    """
    found: dict[str, list[float]] = {}
    for artifact in results.store.all("checkpoints"):
        record, settings = artifact.record, artifact.spec.get("settings") or {}
        is_same = gpu.name == _kind_of(str(record.get("environment", {}).get("gpu", "")))
        if is_same and record.get("train_seconds") and not settings.get("quantization"):
            passes, use = (4, "adapter") if settings.get("adapter") else (6, "all weights")
            operations = passes * record["total_parameters"] * record["tokens"]
            found.setdefault(use, []).append(operations / record["train_seconds"] / gpu.peak)
    return {use: median(shares) for use, shares in found.items()}


def costs(results: StoredResults, subjects: Sequence[Subject], suites: Iterable[Suite], terms: Terms) -> Costs:
    """Hours, cost and schedule of what the store lacks of these subjects and suites."""
    suites, known_tokens = list(suites), _suite_tokens(results)
    terms = replace(terms, measured=measured(results, terms.gpu))
    variants, tasks, unknown = list[Json](), list[Task](), list[str]()
    for subject, planned in zip(subjects, plan(results, subjects), strict=True):
        own = [p for p in results.keys.chain(subject) if p.subject.id == subject.id and p.trains]
        took = [_training(results, subject, *pair, terms) for pair in zip(own, planned.stages, strict=True)]
        measuring = _measuring(results, subject, suites, known_tokens, terms)
        tokens = [tokens for tokens, _ in took]
        training = None if None in [seconds for _, seconds in took] else sum(s or 0.0 for _, s in took)
        variants.append(_row(planned, subject, tokens, (training, measuring), terms))
        if training is None or measuring is None:
            unknown.append(subject.id)
            continue
        tasks += _tasks(results, subject, training, measuring)
    return Costs(variants=variants, schedule=scheduled(tasks, terms.count), terms=terms, unknown=unknown)


def _tasks(results: StoredResults, subject: Subject, training: float, measuring: float) -> list[Task]:
    """A subject's training, where it trains, after its base's; then its measuring."""
    base = subject.variant.base
    needs = (f"train {base.id}",) if isinstance(base, Subject) else ()
    found = [Task(f"train {subject.id}", training, needs)] if subject.stages else []
    after = (f"train {subject.id}",) if subject.stages else needs
    return [*found, *([Task(f"measure {subject.id}", measuring, after)] if measuring else [])]


def _row(
    planned: VariantPlan,
    subject: Subject,
    tokens: list[int | None],
    took: tuple[float | None, float | None],
    terms: Terms,
) -> Json:
    training, measuring = took
    whole = None if training is None or measuring is None else (training + measuring) / 3600
    memory = planned.memory_bytes
    return {
        **asdict(planned),
        "tokens": None if None in tokens else sum(n or 0 for n in tokens),
        "fits": None if memory is None else _fits(memory, terms.gpu),
        "hours": None if training is None else training / 3600,
        "measuring_hours": None if measuring is None else measuring / 3600,
        "cost": None if whole is None or terms.price is None else whole * terms.price,
        "published": subject.variant.published or None,
    }


def _fits(memory: int | None, gpu: Gpu) -> bool:
    """Whether a training fits without computing activations again in the backward pass, as workers decide it."""
    return memory is None or memory <= FULL * gpu.memory


# ---- training -----------------------------------------------------------------------------------------


def _training(
    results: StoredResults, subject: Subject, planned: PlannedStage, stage: StagePlan, terms: Terms
) -> tuple[int | None, float | None]:
    """(tokens, seconds) of a stage; 0 seconds where its checkpoint is there, None for what is not known."""
    assert planned.stage is not None
    a_row = _row_tokens(results, planned)
    known = a_row is not None and stage.training_rows is not None and stage.total_parameters is not None
    tokens = int(a_row * stage.training_rows * planned.stage.epochs) if known else None  # type: ignore[operator]
    if stage.cached:
        return tokens, 0.0
    if tokens is None or stage.total_parameters is None:
        return None, None
    passes, use = _passes(planned.stage)
    if not _fits(stage.memory_bytes, terms.gpu):
        passes += 2
    return tokens, terms.seconds(passes * stage.total_parameters * tokens, use)


def _passes(stage: Stage) -> tuple[int, str]:
    """Floating-point operations for a weight and token, and which utilization was measured of such a training."""
    if isinstance(stage, Finetune) and stage.adapter is not None:
        return 4, "adapter over NF4" if stage.quantization is not None else "adapter"
    return 6, "all weights"


def _row_tokens(results: StoredResults, planned: PlannedStage) -> float | None:
    """Tokens of a training row: of the rows at the subject's scale where they are at hand, else of the embedded ones."""
    stage, scale = planned.stage, planned.subject.scale
    assert stage is not None
    if isinstance(stage, Pretrain) and stage.packing:
        return None
    for at in dict.fromkeys([scale if scale != "full" else "mini", "mini"]):
        try:
            rows = load(stage.data, replace(results.keys.access, scale=at)).rows  # type: ignore[arg-type]
        except DataError:
            continue
        longest = stage.max_length if isinstance(stage, Finetune) else stage.block_length or 10**9
        lengths = [min(longest, len(row_text(row)) / CHARACTERS + TEMPLATE) for row in rows]
        return sum(lengths) / len(lengths)
    return None


# ---- measuring ----------------------------------------------------------------------------------------


def _measuring(
    results: StoredResults,
    subject: Subject,
    suites: Sequence[Suite],
    tokens: Mapping[tuple[str, bool], float],
    terms: Terms,
) -> float | None:
    """Seconds of the suites that are still to ask the model; None where its size is not known."""
    asked = [
        one for one in suites if one.needs_model and one.concerns(subject) and not _is_measured(results, one, subject)
    ]
    if not asked:
        return 0.0
    shape = architecture_of(subject)
    if shape is None:
        return None
    weights = plan(results, [subject])[0].total_parameters or 0
    total = sum(tokens.get((suite.name, subject.lookup is not None), SUITE_TOKENS) for suite in asked)
    return LOADING + terms.seconds(2 * weights * total, "measuring")


def _is_measured(results: StoredResults, suite: Suite, subject: Subject) -> bool:
    """Whether the store holds the evaluation; what depends on data that is not at hand counts as missing."""
    try:
        return results.store.holds("evaluations", results.planned(suite, subject).key)
    except DataError:
        return False


def _suite_tokens(results: StoredResults) -> dict[tuple[str, bool], float]:
    """Tokens of prompts and answers of each suite that was measured, with passages in front or without, of the newest
    evaluation.
    """
    found = {}
    for artifact in results.store.all("evaluations"):
        tokens = artifact.record.get("tokens")
        if tokens:
            found[str(artifact.spec["suite"]["name"]), artifact.record.get("passages") is not None] = float(tokens)
    return found
