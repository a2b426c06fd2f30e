"""Actors that Ray is finding a place for. Whoever waits for one takes the first that is there."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from harness.errors import HarnessError
from harness.jobs.process import DeviceLost, NoPlaceYet
from harness.jobs.ray.node import Node
from harness.jobs.ray.pool import Slot

PLACED_WITHIN = 10.0  # seconds, after which a job tries again


class Arrivals:
    """No more actors of a size are asked for than jobs wait for one: what is not used would hold a GPU for nothing."""

    def __init__(self, session: str, threads: int, on_gpus: bool) -> None:
        self.session, self.threads, self.on_gpus = session, threads, on_gpus
        self._coming: dict[int, list[tuple[Any, Any]]] = {}  # GPUs -> actors, each with what it will tell
        self._waiting: Counter[int] = Counter()
        self._lock = threading.Lock()

    def next(self, count: int, inside: str, without: Collection[str], stopped: Callable[[], bool]) -> Slot:
        """A slot of `count` GPUs, on none of the machines `without`. Raises NoPlaceYet after some seconds without one."""
        import ray

        until = time.monotonic() + PLACED_WITHIN
        with self._lock:
            self._waiting[count] += 1
        try:
            while True:
                here, _ = ray.wait(self._asked(count, inside, without), timeout=0.5)
                taken = self._take(count, here[0]) if here else None
                if taken is not None:
                    return self._as_slot(taken, here[0], inside)
                if stopped() or time.monotonic() > until:
                    raise NoPlaceYet
        finally:
            with self._lock:
                self._waiting[count] -= 1

    def _asked(self, count: int, inside: str, without: Collection[str]) -> list[Any]:
        """What the actors that are coming will tell; as many as are waited for are asked for, and no more."""
        import ray

        with self._lock:
            coming = self._coming.setdefault(count, [])
            while len(coming) > self._waiting[count]:
                with suppress(Exception):
                    ray.kill(coming.pop()[0])
            while len(coming) < self._waiting[count]:
                gpus = count if self.on_gpus else 0
                kind: Any = ray.remote(num_cpus=self.threads * count, num_gpus=gpus)(Node)
                if without:
                    kind = kind.options(label_selector={"ray.io/node-id": f"!in({','.join(without)})"})
                actor = kind.remote(self.session)
                coming.append((actor, actor.about.remote(inside.partition(",")[0])))
            return [told for _, told in coming]

    def _take(self, count: int, told: Any) -> Any:
        """The actor that tells this, unless another job has taken it meanwhile."""
        with self._lock:
            found = next((one for one in self._coming[count] if one[1] == told), None)
            if found is not None:
                self._coming[count].remove(found)
        return found and found[0]

    def _as_slot(self, actor: Any, told: Any, inside: str) -> Slot:
        import ray

        slot = Slot(actor, inside)
        try:
            slot.about = ray.get(told)
        except ray.exceptions.RayError as error:
            slot.abandon()
            lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            if "creation task" in lines[0] or isinstance(
                error, ray.exceptions.RayTaskError | ray.exceptions.RuntimeEnvSetupError
            ):
                raise HarnessError(
                    f"a machine of the cluster cannot take tasks: {lines[-1]}", "`ray logs` has more."
                ) from error
            raise DeviceLost(f"a machine ({lines[0]})") from error
        return slot
