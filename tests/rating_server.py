"""`python -m tests.rating_server STORE PORT COUNT [POINTS]`: the rating page over invented answers, until it is ended."""

import sys
from pathlib import Path

from harness.serving.rating.run import Rateable, serve
from harness.serving.rating.showings import Item
from harness.store import Store
from harness.store.ratings import Comparison

HOSTILE = '<img src=x onerror="window.hacked = true"><script>window.hacked = true</script></textarea>&amp; \u202eright to left'


def rateable(count, points=None):
    """`count` pairs of answers; the first subject's say "one", the second's "two", and the first pair's are hostile."""
    subjects = ("a-mini",) if points else ("a-mini", "b-mini")
    comparison = Comparison("tone", subjects, tuple(f"key-{name}" for name in subjects), points)
    names = ("one", "two")[: len(subjects)]
    items = [Item(f"s{i}", f"Question {i}?", tuple(f"Answer {name} to {i}." for name in names)) for i in range(count)]
    items[0] = Item("s0", f"Hostile? {HOSTILE}", tuple(f"{HOSTILE} {name}" for name in names))
    return Rateable(comparison, items, {})


if __name__ == "__main__":
    where, port, count, *points = sys.argv[1:]
    serve(Store(Path(where)), rateable(int(count), int(points[0]) if points else None), int(port))
