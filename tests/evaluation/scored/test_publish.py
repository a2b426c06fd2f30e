"""Answers as a stored evaluation: its record, and its samples whole."""

import dataclasses

import pytest

from harness import Sample
from harness.errors import SuiteError
from harness.evaluation import Evaluation
from harness.evaluation.scored.publish import publish, unpublished
from tests.hand_made import add, answered

SAMPLES = [
    Sample(id="a", prompt="Why?\n\n" + "x" * 10_000, target="So.", cluster="c"),
    Sample(id="b", prompt="é 🦉", cluster="c"),
    Sample(id="c", prompt="Who?"),
]


@pytest.fixture
def tone(made):
    """An evaluation that is wanted."""
    return made.results.planned(made.project.suite("tone"), add(made, "alpha"))


def test_what_is_published_is_what_is_read_back(made, tone):
    published = publish(made.store, tone, answered(SAMPLES, x=[1.0, 0.0, None], y=[2, 0.5, True]))
    found = Evaluation.stored(made.store.get("evaluations", tone.key))
    assert found == published
    assert [(s.sample_id, s.cluster, s.prompt, s.target) for s in found.samples] == [
        (sample.id, sample.cluster, sample.prompt, sample.answer or None) for sample in SAMPLES
    ]
    assert [sample.scores for sample in found.samples] == [
        {"x": 1.0, "y": 2},
        {"x": 0.0, "y": 0.5},
        {"x": None, "y": True},
    ]
    assert list(found.files) == ["samples.parquet"]


def test_the_record_says_of_whom_how_and_how_many(made, tone):
    found = publish(made.store, tone, answered(SAMPLES[:2], SAMPLES, {"seconds": 2.5, "tokens": 9}, x=[1.0, 0.0]))
    record = found.record
    assert (record["subject"], record["scale"], record["seconds"], record["tokens"]) == ("alpha-mini", "mini", 2.5, 9)
    assert (record["samples"], record["samples_available"], record["largest_cluster"]) == (2, 3, 2)
    assert found.spec == tone.spec
    assert (found.suite, found.spared) == ("tone", 1)


def test_what_is_looked_at_before_it_is_stored_says_the_same(made, tone):
    given = answered(SAMPLES[:2], SAMPLES, x=[1.0, 0.0])
    looked_at = unpublished(tone, given)
    assert made.store.keys("evaluations") == []
    published = publish(made.store, tone, given)
    assert (looked_at.spec, looked_at.record) == (published.spec, published.record)
    assert looked_at.samples == published.samples


def test_what_cannot_be_scored_leaves_no_evaluation(made, tone):
    def broken(sample, output):
        return {"x": 1 / 0}

    planned = dataclasses.replace(tone, suite=dataclasses.replace(tone.suite, scorer=broken))
    with pytest.raises(SuiteError, match="sample a: broken fails with ZeroDivisionError"):
        publish(made.store, planned, answered(SAMPLES, x=[1.0, 0.0, 1.0]))
    assert not made.store.holds("evaluations", tone.key)
