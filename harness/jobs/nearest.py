"""The questions of a subject that looks things up by embeddings -> their nearest passages, found by one worker process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from harness.evaluation.asking.passages import Passages
from harness.files import disk_errors_explained
from harness.fingerprint.checkpoints import PlannedStage
from harness.jobs.context import JobContext, embedder_place
from harness.jobs.devices import device_inside
from harness.jobs.events import Note
from harness.jobs.job import Job
from harness.recipe import Retrieve
from harness.worker.messages import NEAREST, REQUEST, NearestRequest, send

EMBEDDING_WORKER = "harness.models.embedding"


def find_nearest(
    context: JobContext, planned: PlannedStage, passages: Passages, questions: Iterable[str], place: tuple[Job, str]
) -> None:
    """Have the passages know which of them are nearest to each question; `place` is the job and its device.

    Says so where the model reads only the beginning of some passages.
    """
    lookup, (job, device) = planned.lookup, place
    if planned.is_served:
        device = "cpu"  # its job has no other device
    assert isinstance(lookup, Retrieve)
    asked = tuple(dict.fromkeys(questions))
    folder: Path = context.store.root / "measuring" / f"{planned.key}.embedding"
    request = NearestRequest(
        model=embedder_place(planned, context.results.keys.folders),
        device=device_inside(device),
        threads=job.threads,
        k=lookup.k,
        passages=tuple(passages.texts),
        questions=asked,
    )
    with disk_errors_explained(f"{planned.name}: writing its passages below {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        send(folder / REQUEST, request)
    context.pool.run(EMBEDDING_WORKER, folder, device, planned.name).wait()
    found = json.loads((folder / NEAREST).read_text())
    passages.nearest = dict(zip(asked, found["nearest"], strict=True))
    if found["cut"]:
        context.report(
            Note(
                f"{planned.name}: {found['cut']:,} of {len(passages.texts):,} passages have more than the {found['reads']:,} "
                f"tokens that {lookup.embeddings} reads; they are found by their beginning. `harness data chunks` cuts them."
            )
        )
    shutil.rmtree(folder, ignore_errors=True)
