"""Why a checkpoint is missing: the stored one of the same kind that differs in the fewest fields, and those fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.files import Json, differences, short
from harness.fingerprint.checkpoints import PlannedStage


@dataclass(frozen=True)
class Difference:
    """One field in which two specs differ."""

    field: str
    there: Any
    here: Any


@dataclass(frozen=True)
class Nearest:
    """A stored checkpoint and how a wanted one differs from it."""

    key: str
    differs: tuple[Difference, ...]


def nearest(planned: PlannedStage, stored: Mapping[str, Json]) -> Nearest | None:
    """Among the stored checkpoints, key -> spec, the nearest one; None where the store holds none of that kind."""
    wanted = json.loads(json.dumps(planned.spec))
    found: list[Nearest] = []
    for key, spec in stored.items():
        if key != planned.key and spec.get("stage") == planned.kind:
            found.append(Nearest(key, tuple(Difference(*one) for one in differences(spec, wanted))))
    return min(found, key=lambda one: len(one.differs), default=None)


def why_missing(planned: PlannedStage, stored: Mapping[str, Json]) -> str:
    """In words, what differs from the nearest checkpoint in the store."""
    found = nearest(planned, stored)
    if found is None:
        return f"The store holds no {planned.kind} checkpoint at all. Run without --no-train to make it."
    listed = "; ".join(f"{d.field}: {shown(d.there)} there, {shown(d.here)} here" for d in found.differs[:4])
    more = f" and {len(found.differs) - 4} more" if len(found.differs) > 4 else ""
    return f"The nearest, {short(found.key)}, differs in {listed}{more}."


def shown(value: Any) -> str:
    """A value as people see it: a digest by its first characters."""
    text = str(value)
    return short(text) if len(text) >= 32 and " " not in text else text
