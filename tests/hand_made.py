"""A project without models: evaluations written by hand, for the tests of what is judged on them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from harness import Recipe, Sample, Suite, Variant
from harness.data.reading.rows import Access
from harness.evaluation import Evaluation, StoredResults
from harness.evaluation.asking.answers import Answered
from harness.evaluation.asking.rows import SuiteRows
from harness.evaluation.scored.publish import publish
from harness.fingerprint.keys import Keys
from harness.gates.forecast import Forecast
from harness.gates.gate import DeclaredGates
from harness.gates.judge import Judge
from harness.gates.stopping import StoppingRules
from harness.project import Project
from harness.store import Store
from harness.worker.messages import AnswersRecord

SUITES = """from harness import Dataset, Embedded, Guard, Mean, Sample, Suite
from harness.scoring import answer_floors

def to_sample(row):
    return Sample(id=row["id"], prompt=row["prompt"])

def as_answered(sample, output):
    return dict(output["scores"])

PROMPTS = Dataset(name="prompts", mini=Embedded("tone_prompts"))
QUIZ = Suite(name="quiz", dataset=PROMPTS, to_sample=to_sample, scorer=as_answered, floors=answer_floors)
TONE = Suite(name="tone", dataset=PROMPTS, to_sample=to_sample, scorer=as_answered)
SHARE = Suite(name="share", dataset=PROMPTS, to_sample=to_sample, scorer=as_answered,
              metrics=[Mean("acc", (0, 1)), Mean("loss")],
              guards=[Guard("acc", may_fall=0.1), Guard("loss", may_rise=0.2)])
"""
RECORD = AnswersRecord(
    seconds=0.0, tokens=0, prompt_digest=None, peak_memory_bytes=None, energy_joules=None, device="cpu", environment={}
)


class HandMade:
    """Recipes added one by one, a store that evaluations are written into, and what is judged on both."""

    def __init__(self, root: Path, store: Store, seeds: int = 1) -> None:
        self.root, self.store = root, store
        self.project = Project(root, {}, "mini", seeds)
        self.baseline = None
        self.adaptive = False  # whether a session under --adaptive looks at it
        self.judging_only = True

    @property
    def recipes(self) -> dict[str, Recipe]:
        return self.project.recipes

    @property
    def suites(self) -> dict[str, Suite]:
        return self.project.suites

    @property
    def keys(self) -> Keys:
        """Worked out anew: recipes may have changed."""
        return Keys(self.root, Access("mini"), self.store.digests, suites=lambda: self.suites)

    @property
    def gates(self) -> DeclaredGates:
        return DeclaredGates(self.project, self.baseline)

    @property
    def rules(self) -> StoppingRules:
        return StoppingRules(self.gates, self.keys)

    @property
    def results(self) -> StoredResults:
        rule = self.rules if self.adaptive else None
        return StoredResults(self.store, self.keys, rule, judging_only=self.judging_only)

    @property
    def judge(self) -> Judge:
        return Judge(self.gates, self.results)

    @property
    def forecast(self) -> Forecast:
        return Forecast(self.judge, SuiteRows(Access("mini")), count=lambda wanted: 0)

    def with_seeds(self, seeds: int) -> None:
        """Judge over so many training seeds from now on."""
        recipes, suites = self.recipes, self.suites
        self.project = Project(self.root, recipes, "mini", seeds)
        self.project.__dict__["suites"] = suites


def add(made, name, claims=(), targets=(), variant="mini", version="", **more):
    """A recipe of the project, and its subject; another version has other weights."""
    variants = [Variant(variant, base=f"org/{name}{version}", scale="mini")]
    made.recipes[name] = Recipe(name=name, variants=variants, claims=claims, targets=targets, **more)
    return made.recipes[name][variant]


def answered(samples: Sequence[Sample], everything: Sequence[Sample] = (), record=None, **scores) -> Answered:
    """Answers of which sample i has the i-th of each score."""
    rows = [{name: values[i] for name, values in scores.items()} for i in range(len(samples))]
    answers = [{"completion": "", "scores": row} for row in rows]
    return Answered(samples, answers, dataclasses.replace(RECORD, **(record or {})), everything or samples)


def measure(made, subject, suite="tone", samples=None, record=None, **scores) -> Evaluation:
    """Publish an evaluation in which sample i has the i-th of each score."""
    count = len(next(iter(scores.values())))
    samples = samples or [Sample(id=f"s{i:02}", prompt="?") for i in range(count)]
    planned = made.results.planned(made.project.suite(suite), subject)
    return publish(made.store, planned, answered(samples, record=record, **scores))


def judged(made, subject, index=0):
    """The verdict on the subject's gate of that place: claims, targets, then guarded metrics."""
    return made.judge.judge(made.gates.of_all([subject])[index])
