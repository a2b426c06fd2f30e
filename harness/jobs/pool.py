"""The worker processes of one session: started for jobs, kept warm between checkpoints, stopped together."""

from __future__ import annotations

import threading
from pathlib import Path

from harness.jobs.devices import apart
from harness.jobs.process import WarmWorker, Worker

MODEL_WORKER, ENDPOINT_WORKER = "harness.models", "harness.models.endpoint"


class WorkerPool:
    """Starts workers and keeps track of them. At most one idle model worker is kept per job that may run at once."""

    def __init__(self) -> None:
        self.stopping = False
        self._workers: list[Worker] = []
        self._warm: list[WarmWorker] = []
        self._hiring = threading.Lock()

    def run(self, module: str, folder: Path, device: str, name: str) -> Worker:
        """Run one folder in a process of its own. Idle model workers on that GPU end first, to free its memory."""
        for one in apart(device) if device != "cpu" else ():
            self.let_go(one)
        return self._known(Worker(module, folder, device, name))

    def ask_model(self, folder: Path, device: str, name: str) -> Worker:
        """Have a model worker of the device answer the folder's request; it stays warm for the next checkpoint."""
        with self._hiring:
            idle = [worker for worker in self._warm if worker.device == device and worker.idle]
            worker = idle[0] if idle else WarmWorker(MODEL_WORKER, device)
            if not idle:
                self._warm.append(worker)
            asked = worker.ask(folder, name)
        self._known(asked)
        return asked

    def let_go(self, device: str | None = None) -> None:
        """End the idle model workers on a device; without a device all model workers, busy ones too."""
        with self._hiring:
            for worker in [worker for worker in self._warm if device in (None, worker.device)]:
                if worker.idle or device is None:
                    self._warm.remove(worker)
                    worker.close()

    def stop(self) -> None:
        """Ask every worker, those started later too, to leave a resumable state and end."""
        self.stopping = True
        for worker in self._workers:
            worker.stop()

    def _known(self, worker: Worker) -> Worker:
        self._workers.append(worker)
        if self.stopping:
            worker.stop()
        return worker
