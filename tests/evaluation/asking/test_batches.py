"""--adaptive: in which order samples are asked, and after which of them the answers are looked at."""

import pytest

from harness import Sample
from harness.evaluation.asking.batches import LEAST_BATCH, LOOKS, batches, first_drawn, in_drawn_order


def test_samples_are_drawn_by_their_ids_alone():
    samples = [Sample(id=f"s{i}", prompt="?") for i in range(100)]
    order = in_drawn_order(samples)
    assert sorted(order) == list(range(100))
    assert order != list(range(100))
    shuffled = samples[50:] + samples[:50]
    assert [shuffled[i].id for i in in_drawn_order(shuffled)] == [samples[i].id for i in order]


def test_no_cluster_is_cut_by_a_look():
    samples = [Sample(id=f"s{i}", prompt="?", cluster=f"c{i // 7}") for i in range(200)]
    drawn = [samples[i] for i in in_drawn_order(samples)]
    found = batches(drawn)
    assert [place for batch in found for place in batch] == list(range(200))
    assert 5 <= len(found) <= 10
    for batch in found[:-1]:
        assert drawn[batch.stop - 1].cluster != drawn[batch.stop].cluster


@pytest.mark.parametrize(("n", "looks"), [(0, 0), (1, 1), (16, 1), (17, 2), (160, 10), (161, 10), (5_000, 10)])
def test_there_are_ten_looks_at_most_and_no_batch_is_small(n, looks):
    found = batches([Sample(id=f"s{i}") for i in range(n)])
    assert len(found) == looks <= LOOKS
    assert all(len(batch) >= LEAST_BATCH for batch in found[:-1])


def test_without_a_limit_all_samples_are_asked_in_the_suites_order():
    samples = [Sample(id=name) for name in "cab"]
    assert first_drawn(samples, None) == [0, 1, 2]
    assert [first_drawn(samples, limit) for limit in (3, 9)] == [[0, 1, 2]] * 2
    assert first_drawn(samples, 2) == sorted(in_drawn_order(samples)[:2])
