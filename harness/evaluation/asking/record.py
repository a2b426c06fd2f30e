"""The answers to a suite that asks for a checkpoint's training record: losses on held-out rows. Needs no model."""

from __future__ import annotations

import json
from collections.abc import Mapping

from harness.data.sources import Row
from harness.errors import SuiteError
from harness.files import Json
from harness.store import Artifact
from harness.suite import Sample


def recorded(checkpoint: Artifact, rows: Mapping[str, Row]) -> list[tuple[Sample, Json]]:
    """A sample and its answer for each held-out row: the losses recorded `before` and `after` the training.

    `rows` are the held-out rows that are declared now, by id. Raises SuiteError if the training used other rows.
    Empty if it recorded no losses.
    """
    path = checkpoint.path / "held_out_losses.json"
    if not path.exists():
        return []
    losses = json.loads(path.read_text())
    if losses["before"].keys() != rows.keys():
        raise SuiteError(
            f"checkpoint {checkpoint.short} was watched on {len(losses['before']):,} held-out rows while it trained, "
            f"and {len(rows.keys() & losses['before'].keys()):,} of the {len(rows):,} declared now are among them.",
            "Restore the declaration, or train again with --retrain.",
        )
    return [
        (Sample(id=name, cluster=rows[name]["group"]), {"before": before, "after": losses["after"][name]})
        for name, before in losses["before"].items()
    ]
