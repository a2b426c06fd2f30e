"""Right and wrong answers by their numbers, for the tests of intervals and differences."""


def answers(right, n):
    """So many right among n."""
    return [1] * right + [0] * (n - right)


def pairs(better, worse, same_right, same_wrong):
    """Candidate and baseline 0/1 scores with these four counts."""
    candidate = answers(better, better + worse) + [1] * same_right + [0] * same_wrong
    baseline = [0] * better + [1] * worse + [1] * same_right + [0] * same_wrong
    return candidate, baseline
