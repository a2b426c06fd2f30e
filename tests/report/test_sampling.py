"""How many samples of each suite a report loads."""

from harness.report.sampling import most_ids


def test_small_suites_are_loaded_whole_and_large_ones_share_what_is_left():
    counts = {
        "first_look": (20, 200),
        "tone": (100_000, 1_000_000),
        "recall": (1_000, 10_000),
        "holdout": (5_000, 50_000),
    }
    assert most_ids(counts, 50_000) == {"first_look": 20, "recall": 1_000, "tone": 1_990, "holdout": 1_990}
    assert most_ids(counts, 2_000_000) == {suite: ids for suite, (ids, _) in counts.items()}
