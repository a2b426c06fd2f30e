"""A project without models: evaluations written by hand, for the tests of what is judged on them."""

from harness import Recipe, Sample, Variant
from harness.evaluation.evaluation import publish
from harness.gates.gate import all_gates, judge
from harness.fingerprint.planning import Planner

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


def add(bench, name, claims=(), targets=(), variant="mini", version="", **more):
    """A recipe of the bench, and its subject; another version has other weights."""
    variants = [Variant(variant, base=f"org/{name}{version}", scale="mini")]
    bench.planner = Planner(bench.access, bench.store.digests, bench.root)
    bench.recipes[name] = Recipe(name=name, variants=variants, claims=claims, targets=targets, **more)
    return bench.recipes[name][variant]


def measure(bench, subject, suite="tone", samples=None, record=None, **scores):
    """Publish an evaluation in which sample i has the i-th of each score."""
    count = len(next(iter(scores.values())))
    samples = samples or [Sample(id=f"s{i:02}", prompt="?") for i in range(count)]
    answers = [{"completion": "", "scores": {name: values[i] for name, values in scores.items()}} for i in range(count)]
    key, spec = bench.evaluation_spec(bench.suite_named(suite), subject)
    record = {"subject": subject.id, "scale": "mini", "environment": {}, **(record or {})}
    return publish(bench.store, key, spec, bench.suite_named(suite), samples, answers, record)


def judged(bench, subject, index=0):
    """The verdict on the subject's gate of that place: claims, targets, then guarded metrics."""
    return judge(bench, all_gates(bench, [subject])[index])
