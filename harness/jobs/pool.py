"""The worker processes of one session: started for jobs, kept warm between checkpoints, stopped together."""

from __future__ import annotations

import threading
from pathlib import Path

from harness.jobs.process import FolderRequest, WarmWorker, Worker

MODEL_WORKER = "harness.models"


class WorkerPool:
    """Starts workers and knows them all. At most one warm model worker waits for each job that runs at once."""

    def __init__(self) -> None:
        self.stopping = False
        self._workers: list[Worker] = []
        self._warm: list[WarmWorker] = []
        self._hiring = threading.Lock()

    def run(self, module: str, folder: Path, device: str, name: str) -> Worker:
        """A process of its own for one folder; idle model workers on that GPU make room for it."""
        if device != "cpu":
            self.let_go(device)
        return self._known(Worker(module, folder, device, name))

    def ask_model(self, folder: Path, device: str, name: str) -> FolderRequest:
        """The folder's request at a model worker of the device, which stays warm from one checkpoint to the next."""
        with self._hiring:
            idle = [worker for worker in self._warm if worker.device == device and worker.idle]
            worker = idle[0] if idle else WarmWorker(MODEL_WORKER, device)
            if not idle:
                self._warm.append(worker)
            asked = worker.ask(folder, name)
        self._known(asked)
        return asked

    def let_go(self, device: str | None = None) -> None:
        """End the model workers that wait for work on a device; without a device all, busy ones too."""
        with self._hiring:
            for worker in [worker for worker in self._warm if device in (None, worker.device)]:
                if worker.idle or device is None:
                    self._warm.remove(worker)
                    worker.close()

    def stop(self) -> None:
        """Ask every running worker to leave a resumable state and end; those started from now on, too."""
        self.stopping = True
        for worker in self._workers:
            worker.stop()

    def _known(self, worker: Worker) -> Worker:
        self._workers.append(worker)
        if self.stopping:
            worker.stop()
        return worker
