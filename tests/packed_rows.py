"""Rows to be packed, of several lengths."""

from harness.training.shared.packing import IGNORED
from tests.tiny_models import VOCABULARY


def rows(lengths=(31, 5, 9, 14, 3, 22)):
    """Rows of several lengths; the first third of each is its prompt."""
    made = []
    for number, length in enumerate(lengths):
        ids = [(number * 13 + 7 * i * i + 3) % VOCABULARY for i in range(length)]
        made.append({"input_ids": ids, "labels": [IGNORED] * (length // 3) + ids[length // 3 :]})
    return made
