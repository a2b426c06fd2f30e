"""`python -m harness.models.endpoint FOLDER`: answer the suites of FOLDER/request.json by a server's model."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from harness.errors import HarnessError
from harness.models.endpoint.asks import EndpointWorker
from harness.worker.child import INTERRUPTED, work_in
from harness.worker.messages import REQUEST, MeasureRequest, WorkerError, receive, write_answers
from harness.worker.places import Served


def answer_suites(folder: Path) -> int:
    """Write `KEY.json` for each suite of the request that has none: its answers, or the error that it ended with."""
    request: MeasureRequest = receive(folder / REQUEST)
    assert isinstance(request.model, Served)
    worker = EndpointWorker(folder, request.model, request.at_once)
    for suite in request.suites:
        file = folder / f"{suite.key}.json"
        if file.exists():
            continue
        try:
            write_answers(file, worker.answer(suite))
        except HarnessError as error:
            write_answers(file, WorkerError.of(error))
    return 0


def main() -> int:
    """Exit status 0; 1 with the reason in error.json; 75 when asked to stop: what was answered is kept."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(INTERRUPTED))
    folder = Path(sys.argv[1])
    return work_in(folder, lambda: answer_suites(folder))


if __name__ == "__main__":
    sys.exit(main())
