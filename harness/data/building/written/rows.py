"""A model's answers -> rows, each with its source, its model and the digest of its prompt; what is left out is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.data.building.written.filters import Limits, alike, content, plain
from harness.data.building.written.items import Item
from harness.data.building.written.kinds import Kind
from harness.files import Json

REFUSED, EMPTY = "refused by its server", "empty answer"
UNREADABLE = "answer in another form"


@dataclass(frozen=True)
class Written:
    """What a model wrote about an item."""

    answer: str | None  # None: its server refused the request
    prompt: str  # the digest of what it was asked
    cut: bool = False  # whether it ended at its longest


@dataclass
class Built:
    """Rows so far, in the order of items and of what was written about each; and what was left out."""

    kind: Kind
    limits: Limits
    model: str
    rows: list[Json] = field(default_factory=list)
    found: int = 0  # pairs or phrasings that the answers held
    left_out: Counter[str] = field(default_factory=Counter)
    _seen: set[str] = field(default_factory=set)  # first texts of all that is kept

    def add(self, item: Item, written: Written) -> None:
        """Rows from what was written about one item."""
        answer = written.answer
        read = self.kind.read(answer or "", written.cut)
        if not read:
            self.left_out[REFUSED if answer is None else UNREADABLE if answer.strip() else EMPTY] += 1
        kept = list[frozenset[str]]()
        for one in read:
            self.found += 1
            text = next(iter(one.values()))
            words, same = content(text), plain(text)
            why = self.kind.why_not(one, item, self.limits)
            if why is None and (same in self._seen or any(alike(words, other, self.kind.alike) for other in kept)):
                why = "said before"
            if why is not None:
                self.left_out[why] += 1
                continue
            self._seen.add(same)
            kept.append(words)
            own = {"id": f"{item.id}-{len(kept)}", "source_id": item.id}
            made_by = {"model": self.model, "prompt_digest": written.prompt}
            self.rows.append({**item.row, **own, **self.kind.fields(one, item), **made_by})


def build(kind: Kind, items: Sequence[Item], written: Mapping[str, Written], model: str, limits: Limits) -> Built:
    """The rows of all items."""
    built = Built(kind, limits, model)
    for item in items:
        built.add(item, written[item.id])
    return built
