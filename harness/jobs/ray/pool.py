"""The workers of a session whose jobs run on a cluster: each in the slot that its job was given."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.errors import WorkerFailed
from harness.jobs.pool import WorkerPool
from harness.jobs.process import DeviceLost, Worker
from harness.jobs.ray.mirror import Mirror, SharedDisk

EVERY, SELDOM = 0.2, 30.0  # seconds between two looks at a worker
ANSWERS_WITHIN = 300.0  # seconds, after which a node that does not answer is taken to be gone
UNREACHABLE = 60.0  # seconds in which a broken connection may come back


class Slot:
    """An actor on some node, from the session's side."""

    def __init__(self, actor: Any, device: str) -> None:
        self.actor, self.device = actor, device  # the device as it is called there
        self.host, self.sees_store, self.lost = "a node", False, False
        self.about: dict[str, str | None] = {}  # what the node says of itself

    def call(self, method: str, *arguments: Any) -> Any:
        """What the node's method returns. Raises DeviceLost where the node is gone."""
        import ray
        from ray.exceptions import ActorUnavailableError, RayError, RayTaskError

        until = time.monotonic() + UNREACHABLE
        while True:
            try:
                return ray.get(getattr(self.actor, method).remote(*arguments), timeout=ANSWERS_WITHIN)
            except RayTaskError as error:
                raise WorkerFailed(f"{self.host}: {error.cause!r}") from error
            except ActorUnavailableError as error:
                if time.monotonic() > until:
                    raise self._gone(error) from error
                time.sleep(1)
            except (RayError, ConnectionError) as error:
                raise self._gone(error) from error

    def end(self) -> None:
        """End it and what is warm in it."""
        import ray

        with suppress(Exception):  # it is gone, and with it what it should end
            ray.get(self.actor.end.remote(), timeout=10)
            ray.kill(self.actor)

    def tell(self, method: str) -> None:
        """Call the node's method without waiting for it."""
        with suppress(Exception):  # a node that is gone need not be told
            getattr(self.actor, method).remote()

    def abandon(self) -> None:
        """End the actor, and with it its workers, whatever they are at: nobody follows them any more."""
        import ray

        self.lost = True
        with suppress(Exception):
            ray.kill(self.actor)

    def _gone(self, error: Exception) -> DeviceLost:
        self.abandon()
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        return DeviceLost(f"{self.host} ({first.strip()})")


class RemoteWorker(Worker):
    """A worker in a slot. A thread keeps its folder here as it is there."""

    def __init__(self, slot: Slot, store: Path, folder: Path, module: str | None, name: str) -> None:
        self.folder, self.name, self.slot, self.module = folder, name, slot, module
        kind = SharedDisk if slot.sees_store else Mirror
        self.mirror = kind(slot.call, store, folder)
        self.status: int | None = None
        self.error: BaseException | None = None
        self.asked_to_stop = threading.Event()
        (folder / "error.json").unlink(missing_ok=True)
        (folder / "ended.json").unlink(missing_ok=True)
        (folder / "worker.log").touch()
        self.thread = threading.Thread(target=self._follow, name=f"{name} on {slot.host}", daemon=True)
        self.thread.start()

    def status_now(self) -> int | None:
        """The exit status once the folder here is as the worker left it; 1 where the node is gone."""
        if self.thread.is_alive():
            return None
        return 1 if self.status is None else self.status

    def stop(self) -> None:
        """Ask it to leave a resumable state and end."""
        self.asked_to_stop.set()
        self.slot.tell("stop")

    def wait(self) -> None:
        """Wait for its end; raise the error it left behind, DeviceLost, or WorkerFailed with its last log lines."""
        self.thread.join()
        if self.error is not None:
            raise self.error
        assert self.status is not None
        self.ended_with(self.status)

    def _follow(self) -> None:
        try:
            self.mirror.send()
            self.slot.call("start", self.mirror.there, self.module, self.slot.device, self.name)
            if self.asked_to_stop.is_set():
                self.slot.tell("stop")
            took = 0.0
            while self.status is None:
                if self.asked_to_stop.is_set():
                    time.sleep(EVERY)
                else:  # what takes long to copy is copied less often
                    self.asked_to_stop.wait(min(max(EVERY, 4 * took), SELDOM))
                began = time.monotonic()
                status, files = self.slot.call("look", self.mirror.there)
                self.mirror.update(files, status is not None)
                self.status, took = status, time.monotonic() - began
            self.slot.call("forget", self.mirror.there)
        except DeviceLost as lost:
            self.error = lost
        except BaseException as error:
            self.error = error
            self.slot.abandon()


class RayPool(WorkerPool):
    """Starts workers in slots; what names none, such as one that asks a server, is started here."""

    def __init__(self, slot_of: Callable[[str], Slot], store: Path) -> None:
        super().__init__()
        self.slot_of, self.store = slot_of, store

    def run(self, module: str, folder: Path, device: str, name: str) -> Worker:
        """Run one folder in a process of its own."""
        if "@" not in device:
            return super().run(module, folder, device, name)
        return self._known(RemoteWorker(self.slot_of(device), self.store, folder, module, name))

    def ask_model(self, folder: Path, device: str, name: str) -> Worker:
        """Have the slot's model worker answer the folder's request; it stays warm for the next checkpoint."""
        return self._known(RemoteWorker(self.slot_of(device), self.store, folder, None, name))
