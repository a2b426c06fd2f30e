"""The model worker: reads folders from stdin, line by line, and answers the suites of each `DIR/request.json`.

The loaded model is kept for the next folder; if only the adapter differs, only the adapter is exchanged. Each suite's
answers are written as soon as it is answered, so a kill loses no more than the suite under way. After an unexpected
error, or one of the device, the process ends: on a GPU every later call may fail too, or be wrong.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir

from harness.errors import DeviceError, HarnessError
from harness.files import full_disk_explained, write_whole
from harness.models.answering.asks import SuiteWorker
from harness.models.answering.resident import Resident
from harness.models.tools.memory import reset_peak_memory
from harness.worker.child import ENDED, alone_in, end_with_the_session, leave
from harness.worker.failures import gpu_errors_explained, memory_errors_explained
from harness.worker.messages import REQUEST, AskedSuite, MeasureRequest, WorkerError, receive, write_answers
from harness.worker.places import located, store_of

MORE_MEMORY = "Free the device of other programs, or use one with more memory; `nvidia-smi` shows what holds a GPU's."


def main() -> int:
    """Answer folders until stdin ends, or until an unexpected error, which may have broken the process."""
    end_with_the_session()
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    resident = Resident()
    for line in sys.stdin:
        folder = Path(line.strip())
        with (folder / "worker.log").open("ab") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        lock = alone_in(folder)
        try:
            status = answer_folder(folder, resident)
        finally:
            lock.release()
        if resident.spoiled:  # the session sees this process end, and asks a fresh one for the rest
            sys.stdout.flush()
            os._exit(status)  # at once: tidying up after a failed assertion on a GPU, PyTorch would abort
        write_whole(folder / ENDED, json.dumps(status))
    return 0


def answer_folder(folder: Path, resident: Resident) -> int:
    """Write `folder/KEY.json` for each suite of the request. Exit status 0; 1 with the reason in folder/error.json."""
    try:
        request: MeasureRequest = receive(folder / REQUEST)
        reset_peak_memory(request.device)
        with failures_explained(folder):
            answer_suites(folder, request, resident)
    except Exception as error:
        traceback.print_exc()
        resident.spoiled |= spoils(error)
        leave(folder, as_message(error))
        return 1
    return 0


@contextmanager
def failures_explained(folder: Path) -> Iterator[None]:
    """A full disk, too little memory and a failed GPU as errors that say what to do."""
    full = full_disk_explained(f"writing below {folder} or {gettempdir()}")
    with full, gpu_errors_explained(), memory_errors_explained(MORE_MEMORY):
        yield


def spoils(error: Exception) -> bool:
    """Whether this process must end after the error: its later answers could fail too, or be wrong."""
    return isinstance(error, DeviceError) or not isinstance(error, HarnessError)


def answer_suites(folder: Path, request: MeasureRequest, resident: Resident) -> None:
    """Answer what the request asks and has no answers yet, unless an unexpected error may have broken the process."""
    request = replace(request, model=located(request.model, store_of(folder)))
    worker = SuiteWorker(folder, request, resident)
    worker.engine(request.dtype)
    for suite in request.suites:
        if not resident.spoiled and not (folder / f"{suite.key}.json").exists():
            answer_suite(folder, worker, suite)


def answer_suite(folder: Path, worker: SuiteWorker, suite: AskedSuite) -> None:
    """Write the suite's answers, or the error that it ended with; the other suites are answered all the same.

    After an unexpected error they are not by this process, see `answer_suites`.
    """
    try:
        with failures_explained(folder):
            write_answers(folder / f"{suite.key}.json", worker.answer(suite))
    except Exception as error:
        traceback.print_exc()
        worker.resident.spoiled |= spoils(error)
        write_answers(folder / f"{suite.key}.json", as_message(error))


def as_message(error: Exception) -> WorkerError:
    """The error in the form in which the session can raise it again."""
    if isinstance(error, HarnessError):
        return WorkerError.of(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    problem = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    return WorkerError("WorkerFailed", problem, "The worker's log has the whole traceback.")


if __name__ == "__main__":
    sys.exit(main())
