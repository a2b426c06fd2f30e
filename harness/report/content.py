"""What a report shows, as plain values: read from the warehouse, rendered as HTML, Markdown or text."""

from dataclasses import dataclass
from datetime import datetime

FIRST_LOOK = "first_look"
FIRST_LOOK_IMPROVED = "first_look_improved"


@dataclass(frozen=True)
class Run:
    run_id: str
    started_at: datetime
    seconds: float | None
    command: str | None
    scale: str | None
    devices: str | None
    commit_id: str | None
    trained: int | None
    evaluated: int | None
    sample_limit: int | None  # samples of each suite at most (--limit)
    interrupted: bool | None  # ended before all that was asked had been done
    exact: bool | None  # measured in float32 and in fixed batches
    better: dict[str, dict[str, str]]  # suite -> metric -> "higher" or "lower", as declared
    environment: dict


@dataclass(frozen=True)
class LogPoint:
    step: int
    loss: float | None
    eval_loss: float | None


@dataclass(frozen=True)
class Checkpoint:
    fingerprint: str
    stage: str | None
    parent: str | None
    spec: dict
    trainable_parameters: int | None
    total_parameters: int | None
    training_rows: int | None
    truncated_rows: int | None
    rows_by_source: dict  # dataset -> rows trained on
    optimizer_steps: int | None
    tokens: int | None
    train_seconds: float | None
    peak_memory_bytes: int | None
    energy_joules: float | None
    why: str | None  # how it differed from the nearest checkpoint when it was trained
    device: str | None
    environment: dict
    log: tuple[LogPoint, ...]


def declared_name(name: str, setting: str) -> str:
    """A subject's name in the project: 'wiki_only-mini' of 'wiki_only-mini with learning_rate 0.0005'."""
    return name.removesuffix(f" with {setting}") if setting else name


@dataclass(frozen=True)
class Subject:
    name: str
    recipe: str
    variant: str
    seed: int
    hypothesis: str | None
    settings: list | dict  # the stages as declared
    fingerprint: str
    claims: int | None  # that it makes, guards against the session's baseline among them; None in older rows
    weights: str | None  # of what looks things up, the checkpoint that it asks
    setting: str  # what tells it from the subject's newest settings, as 'learning_rate 0.0005'; '' for those
    lineage: tuple[Checkpoint, ...]  # first stage first; empty where the warehouse knows no checkpoint


@dataclass(frozen=True)
class Text:
    """A text, perhaps only its beginning."""

    shown: str
    characters: int  # of the whole text

    def cut(self, limit: int) -> "Text":
        return Text(self.shown[:limit], self.characters)

    @property
    def is_cut(self) -> bool:
        return len(self.shown) < self.characters


@dataclass(frozen=True)
class Sample:
    sample_id: str
    draw: int  # place in the suite's draw, 1 first; equal across subjects
    prompt: Text | None
    target: Text | None
    completion: Text | None
    scores: dict[str, float | None]


@dataclass(frozen=True)
class Metric:
    name: str
    estimate: float | None
    low: float | None
    high: float | None
    n: int | None
    method: str | None


@dataclass(frozen=True)
class Evaluation:
    evaluation: str
    subject: str
    suite: str
    asked: str | None  # a digest of the suite as it was: only what was asked and scored alike can be ranked
    scale: str | None
    system_prompt: str | None
    sample_count: int  # scored; `samples` may hold fewer
    samples_available: int  # of the suite: more than were scored where --adaptive stopped early
    sample_limit: int | None  # samples that --limit allowed
    completions: int  # of which it is known how they ended
    cut: int  # of those, the ones cut at max_new_tokens
    looked_up: int  # samples that were asked with passages in front, or for which none was found
    findable: int  # of those, the ones of which some passage tells
    found: int  # of those, the ones that had such a passage in front
    seconds: float | None
    tokens: int | None
    peak_memory_bytes: int | None
    energy_joules: float | None
    metrics: dict[str, Metric]
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Floor:
    suite: str
    metric: str
    floor: str
    value: float


@dataclass(frozen=True)
class Loud:
    """A sample that speaks strongly for a verdict, with both sides' scores on it."""

    sample_id: str
    candidate: float | None
    baseline: float | None


@dataclass(frozen=True)
class Gate:
    gate: str
    subject: str
    reference: str | None
    suite: str
    metric: str
    kind: str | None  # claim, target or regression; None in older rows
    claim: str
    verdict: str
    line: str | None  # which of harness.claims.QUESTIONS it answers; None in older rows
    candidate: float | None
    baseline: float | None
    estimate: float | None
    low: float | None
    high: float | None
    threshold: float | None  # what the difference is judged against
    level: float | None
    p_value: float | None
    p_adjusted: float | None
    family: int | None  # claims adjusted for together
    n: int | None
    samples_needed: int | None
    method: str | None
    loudest: tuple[Loud, ...]
    message: str | None

    @property
    def other(self) -> str | None:
        """The evaluation that the claim compares with, as the sample browser calls it."""
        return f"{self.subject} at {self.reference}" if self.kind == "regression" else self.reference


@dataclass(frozen=True)
class Touched:
    """One metric over a suite's samples, and over those that share no n-gram with the subject's training rows."""

    subject: str
    suite: str
    metric: str
    items: int
    touched: int
    estimate: float  # over all items
    without: float | None  # over the items that share nothing; None where none are left


@dataclass(frozen=True)
class Baseline:
    """A blessed evaluation that a claim compares with."""

    name: str
    commit_id: str | None
    set_at: datetime
    evaluation: Evaluation  # its subject reads "wiki_only-mini at baseline main"


@dataclass(frozen=True)
class PastScore:
    """What one subject scored in one run."""

    run_id: str
    started_at: datetime
    commit_id: str | None
    subject: str
    suite: str
    metric: str
    evaluation: str
    settings: list | dict  # the stages as declared in that run
    estimate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Changed:
    """One point at which a score changed: the first run in which it was another."""

    subject: str
    suite: str
    metric: str
    run_id: str
    started_at: datetime
    commit_id: str | None
    before: float  # mean of the measurements since the change before
    after: float  # and of those until the next
    p_value: float
    why: tuple[str, ...]  # fields of checkpoint and evaluation that differ from the measurement before, in words


@dataclass(frozen=True)
class LessonScore:
    """What one lesson of a curriculum scored after one of its lessons; None where it is not measured."""

    curriculum: str
    size: str
    place: int  # of the lesson taught last, 0 first
    lesson_place: int  # of the one that is measured
    subject: str
    lesson: str  # the recipe that teaches it
    metric: str  # suite and metric
    score: float | None
    low: float | None
    high: float | None
    since_taught: float | None  # above zero for better
    since_taught_low: float | None
    since_taught_high: float | None
    conclusion: str | None


@dataclass(frozen=True)
class RatingRow:
    """What one person said of one pair, or of one answer."""

    comparison: str
    suite: str
    first: str
    second: str | None  # None: single answers, on a scale
    points: int | None
    rater: str
    sample_id: str
    showing: int  # 1 where the rater had rated it before
    value: str
    number: float
    first_on_left: bool
    note: str | None
    group: str  # of prompts that belong together
    prompt: str | None


@dataclass(frozen=True)
class SweptSetting:
    """One setting of a sweep; scores and differences are None where they are not measured."""

    subject: str
    sweep: str
    size: str
    setting: str
    axes: dict[str, str | float]
    chosen_by: str  # suite and metric
    judged_by: str
    own: bool  # whether it is what the recipe declares
    winner: bool
    seeds: int
    choosing: float | None  # what it scored by chosen_by
    score: float | None
    low: float | None
    high: float | None
    n: int | None
    base: str | None
    over_base: float | None
    over_base_low: float | None
    over_base_high: float | None
    declared: str | None
    over_declared: float | None
    over_declared_low: float | None
    over_declared_high: float | None
    p_adjusted: float | None
    against_declared: str | None
    unfinished: str | None  # why its training was left so
    optimism: float | None
    conclusion: str | None


@dataclass(frozen=True)
class Content:
    runs: tuple[Run, ...]  # reported on, newest first
    subjects: tuple[Subject, ...]
    evaluations: tuple[Evaluation, ...]
    floors: tuple[Floor, ...]
    gates: tuple[Gate, ...]
    touched: tuple[Touched, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    history: tuple[PastScore, ...] = ()  # oldest first
    changes: tuple[Changed, ...] = ()  # in the history
    swept: tuple[SweptSetting, ...] = ()
    lessons: tuple[LessonScore, ...] = ()
    ratings: tuple[RatingRow, ...] = ()

    @property
    def run(self) -> Run:
        """The newest run."""
        return self.runs[0]

    @property
    def suites(self) -> list[str]:
        return sorted({evaluation.suite for evaluation in self.evaluations})

    def of_suite(self, suite: str) -> dict[str, Evaluation]:
        """The suite's evaluations by subject, in the order of the subjects."""
        found = {e.subject: e for e in self.evaluations if e.suite == suite}
        return {s.name: found[s.name] for s in self.subjects if s.name in found}

    def metric_names(self, suite: str) -> list[str]:
        """The suite's metrics, known ones in their customary order, then the others by name."""
        names = {name for e in self.evaluations if e.suite == suite for name in e.metrics}
        return sorted(names, key=lambda name: (CUSTOMARY.index(name) if name in CUSTOMARY else len(CUSTOMARY), name))

    def floors_of(self, suite: str, metric: str) -> dict[str, float]:
        """What answering without knowledge scores, by name: the declared floors and the untrained models."""
        floors = {f.floor: f.value for f in self.floors if (f.suite, f.metric) == (suite, metric)}
        if not floors:
            return {}
        evaluations = self.of_suite(suite)
        for subject in self.subjects:
            if subject.recipe == "untrained" and subject.name in evaluations:
                measured = evaluations[subject.name].metrics.get(metric)
                if measured is not None and measured.estimate is not None:
                    floors[subject.name] = measured.estimate
        return floors


CUSTOMARY = [
    "acc", "acc_norm", "acc_mutual_info", "accuracy", "coverage", "gold_logprob",
    "unseen", "verbatim", "reversed", "exact", "neighbour", "hallucinated",
    "bits_per_byte", "perplexity", "word_perplexity", "rouge1", "rouge2", "rougeL", "bleu", "chrf",
    "conversational", "finite", "nonempty", "no_loop", "largest_activation", "held_out_loss_change", "touched", "shared",
    "bfloat16_agreement", "int8_agreement", "nf4_agreement",
]  # fmt: skip
